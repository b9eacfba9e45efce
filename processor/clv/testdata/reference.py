"""Makes cdnow.csv and reference.json, against which the tests of this package hold it. Not run by them.

    python3 -m venv venv && venv/bin/pip install lifetimes==0.11.3 mpmath && venv/bin/python reference.py

The data are the CDNOW sample of 2,357 customers (Fader and Hardie, http://brucehardie.com/datasets/), in days, as the Python package lifetimes
carries them under the MIT licence (LICENSE-lifetimes.txt). Predictions are those of lifetimes at its own fit; the numbers that floating
point cannot be trusted with are mpmath's, with 60 digits.
"""
import json, os, warnings
warnings.filterwarnings("ignore")
import lifetimes, mpmath as mp, numpy as np, pandas as pd

here = os.path.dirname(os.path.abspath(__file__))
mp.mp.dps = 60

d = pd.read_csv(os.path.join(os.path.dirname(lifetimes.__file__), "datasets", "cdnow_customers_summary_with_transactions.csv"))
bg = lifetimes.BetaGeoFitter().fit(d.x, d.t_x, d["T"], tol=1e-9)
repeat = d[d.x > 0]
gg = lifetimes.GammaGammaFitter().fit(repeat.x, repeat.zbar, tol=1e-8)
penalised = lifetimes.BetaGeoFitter(0.01).fit(d.x, d.t_x, d["T"], tol=1e-9)

# Equal rows go together. t_x and T are days in the table, hundredths of weeks in the source.
d["tx_days"], d["T_days"] = (d.t_x * 7).round().astype(int), (d["T"] * 7).round().astype(int)
assert (np.abs((d.tx_days / 7).round(2) - d.t_x) < 1e-9).all() and (np.abs((d.T_days / 7).round(2) - d["T"]) < 1e-9).all()
g = d.groupby(["x", "tx_days", "T_days", "zbar"]).agg(n=("ID", "size"), t_x=("t_x", "first"), T=("T", "first")).reset_index()
g["alive"] = bg.conditional_probability_alive(g.x, g.t_x, g["T"])
g["purchases"] = bg.predict(39, g.x, g.t_x, g["T"])
g["spend"] = gg.conditional_expected_average_profit(g.x, g.zbar)
# 12 steps of 4.345 weeks, 1 % a step
g["value"] = gg.customer_lifetime_value(bg, g.x, g.t_x, g["T"], g.zbar, time=12, discount_rate=0.01, freq="W")
for c in ["alive", "purchases", "spend", "value"]:
    g[c] = g[c].map(lambda v: "%.7g" % v)
g.rename(columns={"tx_days": "t_x_days", "zbar": "m"})[["x", "t_x_days", "T_days", "m", "n", "alive", "purchases", "spend", "value"]].to_csv(os.path.join(here, "cdnow.csv"), index=False)


def table(f):
    return {k: [float(f.params_[k]), float(f.standard_errors_[k])] for k in f.params_.index}


def purchases(r, alpha, a, b, x, T, t):
    """Equation (10) without its denominator, by 2F1."""
    r, alpha, a, b, x, T, t = [mp.mpf(v) for v in (r, alpha, a, b, x, T, t)]
    if a == 1:
        a += mp.mpf(10) ** -30
    z = t / (alpha + T + t)
    return (a + b + x - 1) / (a - 1) * (1 - (1 - z) ** (a - 1) * mp.hyp2f1(a - 1, a + b - 1 - r, a + b + x - 1, z))


def likelihood(r, alpha, a, b, x, tx, T):
    """Of the purchases, integrated over who the customer may be. What a rate integrates to is Gamma's integral; the chance to leave is done by quadrature."""
    r, alpha, a, b, tx, T = [mp.mpf(v) for v in (r, alpha, a, b, tx, T)]
    rate = lambda until: alpha**r / mp.gamma(r) * mp.gamma(r + x) / (alpha + until) ** (r + x)
    chance = lambda p: p ** (a - 1) * (1 - p) ** (b - 1) / mp.beta(a, b) * ((1 - p) ** x * rate(T) + (p * (1 - p) ** (x - 1) * rate(tx) if x > 0 else 0))
    return mp.log(mp.quad(chance, [0] + [mp.mpf(2) ** -k for k in range(12, 0, -1)] + [0.9, 0.99, 1]))


def spend(p, q, gamma, x, m):
    """Density of a mean of x purchases, integrated over the customer's scale."""
    p, q, gamma, m = [mp.mpf(v) for v in (p, q, gamma, m)]
    of = lambda nu: (nu * x) ** (p * x) * m ** (p * x - 1) * mp.exp(-nu * x * m) / mp.gamma(p * x) * gamma**q * nu ** (q - 1) * mp.exp(-gamma * nu) / mp.gamma(q)
    peak = (p * x + q) / (gamma + m * x)
    return mp.log(mp.quad(of, [0, peak / 4, peak / 2, peak, 2 * peak, 4 * peak, 10 * peak, mp.inf]))


cases = [(r, alpha, a, b, x, T, t) for r, alpha, a, b in [(0.243, 4.414, 0.793, 2.426), (1.5, 40, 1, 9), (1.5, 40, 1.000001, 9), (0.02, 900, 0.05, 0.3), (30, 7, 4, 0.5), (2, 10, 500, 90000)]
         for x, T, t in [(0, 0, 30), (0, 400, 365), (3, 38.86, 39), (2, 2, 4000), (60, 700, 0.01), (0, 0, 1e-25), (700, 730, 365), (9000, 730, 365), (40000, 3650, 3650)]]
mp.mp.dps = 120
out = {
    "bg_nbd": table(bg), "penalised": table(penalised), "gamma_gamma": table(gg),
    "purchases": [[*c, float(purchases(*c))] for c in cases],
}
mp.mp.dps = 30
out["likelihood"] = [[*c, float(likelihood(*c))] for c in [(0.243, 4.414, 0.793, 2.426, 0, 0, 38.86), (0.243, 4.414, 0.793, 2.426, 2, 30.43, 38.86), (1.5, 40, 1, 9, 12, 100, 200), (3, 5, 2.5, 1.25, 1, 0, 365), (2, 20, 3, 60, 350, 360, 365)]]
out["spend"] = [[*c, float(spend(*c))] for c in [(6.25, 3.74, 15.44, 2, 22.35), (6.25, 3.74, 15.44, 30, 50), (0.8, 1.5, 100, 1, 0.5), (12, 9, 2000, 5, 3000)]]
json.dump(out, open(os.path.join(here, "reference.json"), "w"), indent=0)
