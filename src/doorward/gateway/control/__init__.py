"""The parts of the control process, one duty each; `gateway.control_process` puts them together."""
