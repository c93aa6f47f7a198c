"""Files that outlive a run: on a folder, or in an S3 bucket."""
