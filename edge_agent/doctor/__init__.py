"""The node doctor: is this machine fit to train, and what mends it if not?

One module for each group of checks. What is read stands apart from what is concluded: `judge_...`
functions are pure. `examination` runs all groups at a time, each within a limit.

Runs in a process of its own, also where a coordinator asks for it: the daemon stays light.
"""
