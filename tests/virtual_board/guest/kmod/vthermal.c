// SPDX-License-Identifier: GPL-2.0
/*
 * vthermal: a thermal zone "cpu-thermal" for a machine that has none, with the passive trip point of a Raspberry Pi 4's kernel.
 *
 * Parameter `millidegrees` is what it reads; it can be written at any time. Nothing is cooled: what a program does about the heat is
 * what is looked at. Written for the interface of Linux 6.1, which Debian 12 has.
 */
#include <linux/module.h>
#include <linux/thermal.h>

#define SLOWED_DOWN_AT 80000

static int millidegrees = 45000;
module_param(millidegrees, int, 0644);

static struct thermal_zone_device *zone;

static int get_temp(struct thermal_zone_device *of, int *temperature)
{
	*temperature = millidegrees;
	return 0;
}

static int get_trip_type(struct thermal_zone_device *of, int trip, enum thermal_trip_type *type)
{
	*type = THERMAL_TRIP_PASSIVE;
	return 0;
}

static int get_trip_temp(struct thermal_zone_device *of, int trip, int *temperature)
{
	*temperature = SLOWED_DOWN_AT;
	return 0;
}

static struct thermal_zone_device_ops operations = {
	.get_temp = get_temp,
	.get_trip_type = get_trip_type,
	.get_trip_temp = get_trip_temp,
};

static int __init start(void)
{
	int error;

	zone = thermal_zone_device_register("cpu-thermal", 1, 0, NULL, &operations, NULL, 0, 0);
	if (IS_ERR(zone))
		return PTR_ERR(zone);
	error = thermal_zone_device_enable(zone);
	if (error)
		thermal_zone_device_unregister(zone);
	return error;
}

static void __exit stop(void)
{
	thermal_zone_device_unregister(zone);
}

module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a thermal zone whose temperature is a parameter");
