"""Words with speakers: one record, and the texts that people's tools read."""
