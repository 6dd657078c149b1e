"""What the plant measures, may do and must not do: the names that every other file of the world uses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sensor:
    """One reading: the standard deviation of its white noise and its resolution, both in ``unit``."""

    name: str
    unit: str
    noise: float
    resolution: float


@dataclass(frozen=True)
class OperatingLimit:
    """One limit: ``cost.<name>`` is by how much ``reading`` is beyond ``limit``, 0 when it is inside.

    ``sign`` is +1 where the reading must stay below the limit and -1 where it must stay above.
    """

    name: str
    reading: str
    sign: int
    limit: float
    hard: bool = False


POLICY = "cooling"
COMMAND = "commanded set-point"  # no sensor: what the action of the decision itself sets
ACTIONS = ("hold", "cool", "heat")

SENSORS = (
    Sensor("inlet", "degC", 0.25, 0.01),  # the learned policies act on this one, and it is the one that drifts
    Sensor("inlet_backup", "degC", 0.25, 0.01),  # the rule acts on this one
    Sensor("supply_air", "degC", 0.25, 0.01),
    Sensor("return_air", "degC", 0.40, 0.01),
    Sensor("rack_1", "degC", 0.50, 0.01),
    Sensor("rack_2", "degC", 0.50, 0.01),
    Sensor("rack_3", "degC", 0.50, 0.01),
    Sensor("rack_4", "degC", 0.50, 0.01),
    Sensor("humidity", "%", 1.50, 0.1),
    Sensor("dew_margin", "degC", 0.40, 0.01),
    Sensor("outside_temp", "degC", 0.90, 0.01),
    Sensor("it_load", "kW", 30.0, 0.1),
    Sensor("chiller_power", "kW", 7.0, 0.1),
    Sensor("fan_speed", "%", 2.50, 0.1),
    Sensor("fan_power", "kW", 5.00, 0.01),
    Sensor("flow", "l/s", 1.50, 0.01),
    Sensor("pump_pressure", "kPa", 10.0, 0.1),
    Sensor("water_supply", "degC", 0.20, 0.01),
    Sensor("water_return", "degC", 0.25, 0.01),
    Sensor("setpoint", "degC", 0.30, 0.01),  # echoed over an analogue loop
)
FEATURES = tuple(sensor.name for sensor in SENSORS)

CONSTRAINTS = (
    # The hard limit is on the command itself, not its echo: the decision that breaks it is the one that is logged.
    OperatingLimit("supply_too_cold", COMMAND, -1, 18.0, hard=True),
    OperatingLimit("supply_too_hot", "supply_air", +1, 26.0),
    OperatingLimit("inlet_hot", "inlet_backup", +1, 27.0),
    OperatingLimit("inlet_cold", "inlet_backup", -1, 18.0),
    OperatingLimit("return_hot", "return_air", +1, 37.8),
    OperatingLimit("rack_1_hot", "rack_1", +1, 33.5),
    OperatingLimit("rack_2_hot", "rack_2", +1, 34.5),
    OperatingLimit("rack_3_hot", "rack_3", +1, 35.5),
    OperatingLimit("rack_4_hot", "rack_4", +1, 36.2),
    OperatingLimit("humidity_low", "humidity", -1, 40.5),
    OperatingLimit("humidity_high", "humidity", +1, 57.0),
    OperatingLimit("condensation", "dew_margin", -1, 2.0),
    OperatingLimit("chiller_overload", "chiller_power", +1, 245.0),
    OperatingLimit("fan_overspeed", "fan_speed", +1, 76.0),
    OperatingLimit("fan_overload", "fan_power", +1, 74.0),
    OperatingLimit("flow_low", "flow", -1, 25.0),
    OperatingLimit("flow_high", "flow", +1, 45.0),
    OperatingLimit("pressure_low", "pump_pressure", -1, 180.0),
    OperatingLimit("pressure_high", "pump_pressure", +1, 318.0),
    OperatingLimit("water_too_cold", "water_supply", -1, 6.0),
    OperatingLimit("water_return_hot", "water_return", +1, 23.0),
)
