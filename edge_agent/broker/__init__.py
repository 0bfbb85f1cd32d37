"""The agent's side of the MQTT broker: docs/mqtt.md describes what is said there.

Nothing here is on the way of training: one thread of its own speaks to the broker, others leave
what they have in memory and go on.
"""
