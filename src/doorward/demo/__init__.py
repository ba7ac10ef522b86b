"""The demonstration: a vulnerable bank, attacked bare and then through Doorward."""
