/* Counts guest instructions under QEMU's user emulator and prints them at exit: what board/PERFORMANCE.md calls "counted".
 *
 *     gcc -shared -fPIC -O2 -o count.so tests/peers/count.c
 *     qemu-aarch64 -cpu cortex-a76 -L /usr/aarch64-linux-gnu -plugin ./count.so \
 *         target/board/aarch64/moodlight classify --whole-image --precision int8 --json one.png
 *
 * Instructions per inference are half of what three pictures take more than one. A Debian qemu-user with plugins is needed
 * (qemu-aarch64-static has none). The interface is QEMU's plugin version 1, as far as it is used here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef void (*tb_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*udata_cb)(qemu_plugin_id_t, void *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_cb);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *, uint64_t);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, udata_cb, void *);
__attribute__((visibility("default"))) int qemu_plugin_version = 1;
static uint64_t count;
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &count, qemu_plugin_tb_n_insns(tb));
}
static void end(qemu_plugin_id_t id, void *p) {
    (void)id; (void)p;
    fprintf(stderr, "instructions %llu\n", (unsigned long long)count);
}
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info; (void)argc; (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
