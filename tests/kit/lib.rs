//! The test kit: virtual clock, simulated network, scripted phones, tones.
