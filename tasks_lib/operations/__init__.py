"""One module for each act: it opens the transaction and calls the layers below. No Prefect."""
