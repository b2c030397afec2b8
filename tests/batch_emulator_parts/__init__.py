"""The parts of tests/batch_emulator, an Azure Batch account on one machine."""
