"""Ask people about the predictions that a model is unsure of, and merge their answers.

The run is suspended while people work, and holds no worker. Then its body runs again.
"""

import pandas as pd
from prefect import flow

from tasks_lib import results, seed, wait_for_group

PIPELINE = "acme/predictions/check-sentiments"


@flow(log_prints=True)
def check_predictions(source: str, destination: str, sure: float = 0.8) -> int:
    """Write the predictions to a CSV file, the unsure ones as people have corrected them."""
    predictions = pd.read_csv(source)
    unsure = predictions[predictions["score"] < sure]

    group = seed(unsure[["review_id", "body", "predicted"]], PIPELINE, source="predictions")
    wait_for_group(group)
    answers = results(group).set_index("review_id")["sentiment"].astype("string")

    checked = predictions["review_id"].map(answers)
    predictions["sentiment"] = checked.fillna(predictions["predicted"])
    predictions["by"] = checked.notna().map({True: "people", False: "model"})
    predictions.to_csv(destination, index=False)
    print(f"{checked.notna().sum()} of {len(predictions)} predictions checked by people")
    return int(checked.notna().sum())
