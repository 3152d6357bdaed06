"""Devices, hosts, processes, and compiled programs."""
