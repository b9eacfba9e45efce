"""Reckons what marketing asks once more, out of the events themselves, and compares it with what the views said, row by row.

marketing.py EVENTS PSEUDONYMS DIR: EVENTS are JSON lines, PSEUDONYMS a JSON object from customer id to pseudonym, DIR has a CSV file a view.
Prints a line a view: its name and how many rows were compared. Exit code 1 if one differs.
"""

import json
import os
import sys

import numpy as np
import pandas as pd
from lifetimes.utils import summary_data_from_transaction_data
from mlxtend.frequent_patterns import association_rules, fpgrowth

events, pseudonyms, directory = sys.argv[1:]
with open(pseudonyms) as f:
    names = json.load(f)
sales, lines = [], []
with open(events) as f:
    for n, line in enumerate(f):
        e = json.loads(line)
        assert e["kind"] == "sale" and e["currency"] == "USD"
        date, customer = e["time"][:10], names[e["customer"]["id"]] if e.get("customer") else None
        sales.append((n, date, e["store_id"], int(e["time"][11:13]), customer, sum(x["net"] for x in e["lines"]) / 100))
        for x in e["lines"]:
            lines.append((n, date, e["store_id"], x["product_id"], x["category"], float(x["quantity"]), x["net"] / 100))
sales = pd.DataFrame(sales, columns=["sale", "business_date", "store_id", "local_hour", "customer", "net"])
lines = pd.DataFrame(lines, columns=["sale", "business_date", "store_id", "product_id", "category", "units", "revenue"])
known = sales[sales.customer.notna()]
end = pd.Timestamp(sales.business_date.max())
failed = False


def compare(view, keys, want):
    """Compares all columns of want with those of the view, which must have the same rows by keys."""
    global failed
    got = pd.read_csv(os.path.join(directory, view + ".csv"), dtype={k: str for k in keys})
    want = want.copy()
    for k in keys:
        got[k], want[k] = got[k].astype(str), want[k].astype(str)
    both = want.merge(got, on=keys, how="outer", suffixes=("", "_view"), indicator=True)
    wrong = both["_merge"] != "both"
    for column in want.columns.difference(keys):
        a, b = both[column], both[column + "_view"]
        same = np.isclose(a, b, rtol=1e-9, atol=6e-5, equal_nan=True) if pd.api.types.is_numeric_dtype(a) else a.astype(str) == b.astype(str)
        wrong |= ~same
    print(view, len(both) - wrong.sum(), "rows")
    if wrong.any():
        failed = True
        print(view, wrong.sum(), "differ:\n", both[wrong].head(8).to_string(), file=sys.stderr)


# Best sellers: places among the products of a store and date.
best = lines.groupby(["store_id", "business_date", "product_id", "category"]).agg(units=("units", "sum"), revenue=("revenue", "sum"), baskets=("sale", "nunique")).reset_index()
best.units, best.revenue = best.units.round(3), best.revenue.round(2)
day = best.groupby(["store_id", "business_date"])
best["rank"] = day.units.rank(method="min", ascending=False)
best["rank_revenue"] = day.revenue.rank(method="min", ascending=False)
best["rank_baskets"] = day.baskets.rank(method="min", ascending=False)
best["rank_category"] = best.groupby(["store_id", "business_date", "category"]).units.rank(method="min", ascending=False)
compare("best_sellers", ["store_id", "business_date", "product_id", "category"], best)

# Peak hours: the stores are not registered, so they are open on the dates on which they sold.
sales["dow"] = pd.to_datetime(sales.business_date).dt.day_of_week + 1
open_days = sales.groupby(["store_id", "dow"]).business_date.nunique().rename("open_hours").reset_index()
hourly = sales.groupby(["store_id", "dow", "local_hour"]).agg(transactions=("sale", "count"), net=("net", "sum")).reset_index()
visitors = sales.dropna().drop_duplicates(["store_id", "business_date", "local_hour", "customer"]).groupby(["store_id", "dow", "local_hour"]).size().rename("visitors").reset_index()
hourly = hourly.merge(open_days, on=["store_id", "dow"]).merge(visitors, on=["store_id", "dow", "local_hour"], how="left").fillna({"visitors": 0})
for column, of in {"transactions_avg": "transactions", "net_avg": "net", "customers_avg": "visitors"}.items():
    hourly[column] = hourly[of] / hourly.open_hours
compare("peak_hours", ["store_id", "dow", "local_hour"], hourly.drop(columns=["transactions", "net", "visitors"]))

# RFM: a score is one more than the number of borders that a figure is beyond; a border is the element at that share of the sorted figures.
rfm = known.assign(visit=known.business_date + " " + known.store_id).groupby("customer").agg(last=("business_date", "max"), frequency=("visit", "nunique"), monetary=("net", "sum")).reset_index()
rfm["recency_days"] = (end - pd.to_datetime(rfm["last"])).dt.days
rfm.monetary = rfm.monetary.round(2)


def score(figures):
    ordered = np.sort(figures.to_numpy())
    borders = [ordered[int(share * len(ordered))] for share in (0.2, 0.4, 0.6, 0.8)]
    return 1 + sum((figures > b).astype(int) for b in borders)


rfm["r"], rfm["f"], rfm["m"] = score(-rfm.recency_days), score(rfm.frequency), score(rfm.monetary)
segments = [  # of the R package rfm: low and high of r, f and m
    ("champions", 5, 5, 5, 5, 5, 5), ("potential_loyalists", 3, 5, 3, 5, 2, 5), ("loyal_customers", 2, 4, 2, 4, 2, 4), ("promising", 3, 4, 1, 3, 3, 5),
    ("new_customers", 4, 5, 1, 3, 1, 5), ("cant_lose_them", 1, 2, 3, 4, 4, 5), ("at_risk", 1, 2, 2, 5, 4, 5), ("need_attention", 1, 3, 3, 5, 3, 5),
    ("about_to_sleep", 2, 3, 1, 3, 1, 4), ("lost", 1, 1, 1, 5, 1, 5),
]
rfm["segment"] = "others"
for name, *x in reversed(segments):
    rfm.loc[rfm.r.between(x[0], x[1]) & rfm.f.between(x[2], x[3]) & rfm.m.between(x[4], x[5]), "segment"] = name
compare("rfm", ["customer"], rfm.drop(columns="last"))

# Cohorts by month of the first purchase.
months = known.assign(month=known.business_date.str[:7])
months["cohort"] = months.groupby("customer").month.transform("min") + "-01"
months["period"] = pd.to_datetime(months.month).dt.to_period("M").astype("int64") - pd.to_datetime(months.cohort).dt.to_period("M").astype("int64")
cohorts = months.groupby(["cohort", "period"]).agg(active=("customer", "nunique"), net=("net", "sum")).reset_index()
cohorts["customers"] = cohorts.cohort.map(months.groupby("cohort").customer.nunique())
cohorts["retention"] = cohorts.active / cohorts.customers
compare("cohorts", ["cohort", "period"], cohorts)

# Inputs of customer lifetime value, by lifetimes itself.
clv = summary_data_from_transaction_data(known.assign(business_date=pd.to_datetime(known.business_date)), "customer", "business_date", "net", observation_period_end=end, freq="D")
clv = clv.reset_index().rename(columns={"frequency": "x", "recency": "t_x", "monetary_value": "m"})
compare("clv_inputs", ["customer"], clv)

gaps = known.drop_duplicates(["customer", "business_date"]).sort_values(["customer", "business_date"])
gaps = pd.to_datetime(gaps.business_date).groupby(gaps.customer).diff().dropna().dt.days.value_counts().rename_axis("gap_days").rename("times").reset_index()
compare("purchase_gaps", ["gap_days"], gaps)

# Affinity of categories that are together in at least 30 baskets, by mlxtend.
in_baskets = lines[(lines.category != "") & (lines.units >= 0)].drop_duplicates(["sale", "category"])
in_baskets = in_baskets[in_baskets.groupby("sale").category.transform("size").between(2, 64)]
table = pd.crosstab(in_baskets.sale, in_baskets.category).astype(bool)
rules = association_rules(fpgrowth(table, min_support=(30 - 0.5) / len(table), use_colnames=True, max_len=2), metric="support", min_threshold=0)
rules["left"], rules["right"] = rules.antecedents.map(lambda x: next(iter(x))), rules.consequents.map(lambda x: next(iter(x)))
rules["baskets"] = (rules.support * len(table)).round()
rules["all_baskets"] = len(table)
compare("affinity", ["left", "right"], rules[["left", "right", "baskets", "all_baskets", "support", "confidence", "lift", "leverage", "conviction"]])

sys.exit(failed)
