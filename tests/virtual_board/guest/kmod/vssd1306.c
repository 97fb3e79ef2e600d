// SPDX-License-Identifier: GPL-2.0
/*
 * vssd1306: an I2C bus (number 1) with one SSD1306 panel (128x64, address 0x3c) on it, as a kernel module.
 *
 * The panel keeps what a real one keeps: its picture memory, its address pointers and windows in the three addressing modes
 * (datasheet SSD1306 rev 1.1, section 10.1), and whether it is on. All of it lies in one page of plain memory whose physical
 * address is told in debugfs, so that the emulator can read the panel without asking the guest:
 *
 *      0..1023  picture memory, 8 pages of 128 columns, bit 0 uppermost
 *      1024     1 while the panel is on          1025  1 while inverted        1026  contrast
 *      1028     transfers so far (u32)           1032  transfers refused so far (u32)
 *
 * Faults: parameter `absent` = 1 refuses every transfer and takes the panel's power (a panel that fell off the bus: it comes back dark,
 * as after a reset), `fail_every` = N refuses each Nth.
 * Deliberately not here: scrolling, display start line, COM remapping, which do not change the picture memory.
 */
#include <linux/debugfs.h>
#include <linux/i2c.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#define ADDRESS 0x3c
#define COLUMNS 128
#define PAGES 8

static bool absent;
module_param(absent, bool, 0644);
static unsigned int fail_every;
module_param(fail_every, uint, 0644);

struct panel_page {
	u8 picture[PAGES * COLUMNS];
	u8 on, inverted, contrast, reserved;
	u32 transfers, refused;
};

enum addressing { HORIZONTAL, VERTICAL, BY_PAGE };

static struct panel_page *panel;
static struct dentry *folder;
static u64 physical;
static DEFINE_MUTEX(bus);

static enum addressing mode = BY_PAGE;
static u8 column, column_first, column_last = COLUMNS - 1;
static u8 page, page_first, page_last = PAGES - 1;
static u8 command, arguments[8];
static unsigned int wanted, got;

static unsigned int arguments_of(u8 code)
{
	switch (code) {
	case 0x20: case 0x81: case 0x8d: case 0xa8: case 0xd3: case 0xd5: case 0xd9: case 0xda: case 0xdb:
		return 1;
	case 0x21: case 0x22: case 0xa3:
		return 2;
	case 0x26: case 0x27:
		return 6;
	case 0x29: case 0x2a:
		return 5;
	default:
		return 0;
	}
}

static void carry_out(void)
{
	switch (command) {
	case 0x20:
		mode = arguments[0] & 3;
		break;
	case 0x21:
		column = column_first = arguments[0] & (COLUMNS - 1);
		column_last = arguments[1] & (COLUMNS - 1);
		break;
	case 0x22:
		page = page_first = arguments[0] & (PAGES - 1);
		page_last = arguments[1] & (PAGES - 1);
		break;
	case 0x81:
		panel->contrast = arguments[0];
		break;
	case 0xa6: case 0xa7:
		panel->inverted = command & 1;
		break;
	case 0xae: case 0xaf:
		panel->on = command & 1;
		break;
	case 0xb0 ... 0xb7:
		page = command & 7;
		break;
	case 0x00 ... 0x0f:
		column = (column & 0xf0) | command;
		break;
	case 0x10 ... 0x17:
		column = (column & 0x0f) | (command & 7) << 4;
		break;
	}
}

static void command_byte(u8 byte)
{
	if (wanted > got) {
		arguments[got++] = byte;
	} else {
		command = byte;
		got = 0;
		wanted = arguments_of(byte);
	}
	if (got == wanted)
		carry_out();
}

static void next_column(void)
{
	if (column != column_last) {
		column = (column + 1) % COLUMNS;
		return;
	}
	column = column_first;
	if (mode == HORIZONTAL)
		page = page == page_last ? page_first : (page + 1) % PAGES;
}

static void next_page(void)
{
	if (page != page_last) {
		page = (page + 1) % PAGES;
		return;
	}
	page = page_first;
	column = column == column_last ? column_first : (column + 1) % COLUMNS;
}

static void data_byte(u8 byte)
{
	panel->picture[page * COLUMNS + column] = byte;
	if (mode == VERTICAL)
		next_page();
	else if (mode == HORIZONTAL)
		next_column();
	else
		column = (column + 1) % COLUMNS;
}

/* A message is a run of control bytes: bit 6 says data or command, bit 7 that only one byte follows. */
static void take(const u8 *bytes, unsigned int length)
{
	unsigned int at = 0;

	while (at < length) {
		u8 control = bytes[at++];
		unsigned int end = control & 0x80 ? min(at + 1, length) : length;

		for (; at < end; at++) {
			if (control & 0x40)
				data_byte(bytes[at]);
			else
				command_byte(bytes[at]);
		}
	}
}

static void reset(void)
{
	memset(panel->picture, 0, sizeof(panel->picture));
	panel->on = panel->inverted = 0;
	panel->contrast = 0x7f;
	mode = BY_PAGE;
	column = column_first = page = page_first = 0;
	column_last = COLUMNS - 1;
	page_last = PAGES - 1;
	wanted = got = 0;
}

static int transfer(struct i2c_adapter *adapter, struct i2c_msg *messages, int count)
{
	int i, result = count;

	mutex_lock(&bus);
	panel->transfers++;
	if (absent || (fail_every && panel->transfers % fail_every == 0)) {
		panel->refused++;
		if (absent)
			reset();
		result = -ENXIO;
		goto out;
	}
	for (i = 0; i < count; i++) {
		if (messages[i].addr != ADDRESS) {
			result = -ENXIO;
			break;
		}
		if (messages[i].flags & I2C_M_RD)
			memset(messages[i].buf, panel->on ? 0x00 : 0x40, messages[i].len);
		else
			take(messages[i].buf, messages[i].len);
	}
out:
	mutex_unlock(&bus);
	return result;
}

static u32 functionality(struct i2c_adapter *adapter)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static const struct i2c_algorithm algorithm = {
	.master_xfer = transfer,
	.functionality = functionality,
};

static struct i2c_adapter adapter = {
	.owner = THIS_MODULE,
	.algo = &algorithm,
	.name = "vssd1306 virtual bus",
	.nr = 1,
};

static int __init vssd1306_init(void)
{
	int error;

	BUILD_BUG_ON(sizeof(struct panel_page) > PAGE_SIZE);
	panel = (struct panel_page *)get_zeroed_page(GFP_KERNEL);
	if (!panel)
		return -ENOMEM;
	reset();
	physical = virt_to_phys(panel);
	error = i2c_add_numbered_adapter(&adapter);
	if (error) {
		free_page((unsigned long)panel);
		return error;
	}
	folder = debugfs_create_dir("vssd1306", NULL);
	debugfs_create_x64("physical", 0444, folder, &physical);
	return 0;
}

static void __exit vssd1306_exit(void)
{
	debugfs_remove_recursive(folder);
	i2c_del_adapter(&adapter);
	free_page((unsigned long)panel);
}

module_init(vssd1306_init);
module_exit(vssd1306_exit);
MODULE_DESCRIPTION("virtual I2C bus with an SSD1306 panel");
MODULE_LICENSE("GPL");
