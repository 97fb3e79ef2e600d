/* Holds the sizes in src/lib.rs against this system's kernel header. Nothing is linked; what fails, fails to compile:
 *     cc -fsyntax-only check.c;  aarch64-linux-gnu-gcc -fsyntax-only check.c;  arm-linux-gnueabihf-gcc -fsyntax-only check.c
 */
#include <linux/videodev2.h>

#define HOLD(name, wide, narrow) _Static_assert(sizeof(struct name) == (sizeof(void *) == 8 ? wide : narrow), #name)

HOLD(v4l2_capability, 104, 104);
HOLD(v4l2_fmtdesc, 64, 64);
HOLD(v4l2_pix_format, 48, 48);
HOLD(v4l2_format, 208, 204);
HOLD(v4l2_requestbuffers, 20, 20);
HOLD(v4l2_buffer, 88, 68);
HOLD(v4l2_framebuffer, 48, 44);
HOLD(v4l2_exportbuffer, 64, 64);
HOLD(v4l2_streamparm, 204, 204);
HOLD(v4l2_captureparm, 40, 40);
HOLD(v4l2_outputparm, 40, 40);
HOLD(v4l2_standard, 72, 72);
HOLD(v4l2_input, 80, 80);
HOLD(v4l2_control, 8, 8);
HOLD(v4l2_tuner, 84, 84);
HOLD(v4l2_audio, 52, 52);
HOLD(v4l2_queryctrl, 68, 68);
HOLD(v4l2_querymenu, 44, 44);
HOLD(v4l2_edid, 40, 36);
HOLD(v4l2_output, 72, 72);
HOLD(v4l2_audioout, 52, 52);
HOLD(v4l2_modulator, 68, 68);
HOLD(v4l2_frequency, 44, 44);
HOLD(v4l2_cropcap, 44, 44);
HOLD(v4l2_crop, 20, 20);
HOLD(v4l2_jpegcompression, 140, 140);
HOLD(v4l2_sliced_vbi_cap, 116, 116);
HOLD(v4l2_ext_control, 20, 20);
HOLD(v4l2_ext_controls, 32, 24);
HOLD(v4l2_frmsizeenum, 44, 44);
HOLD(v4l2_frmivalenum, 52, 52);
HOLD(v4l2_enc_idx, 2072, 2072);
HOLD(v4l2_encoder_cmd, 40, 40);
HOLD(v4l2_query_ext_ctrl, 232, 232);
HOLD(v4l2_event_subscription, 32, 32);
HOLD(v4l2_event, 136, 128);
