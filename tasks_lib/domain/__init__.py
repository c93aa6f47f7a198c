"""What the words mean: fields, values, statuses, reports, events. No input or output, no clock."""
