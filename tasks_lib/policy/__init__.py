"""Pure decisions: what may happen, given what is known. No input or output, no clock."""
