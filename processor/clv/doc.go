// Package clv predicts what customers will buy: how many more visits, whether they still are customers, what they spend a visit, and what
// that is worth today. It does no I/O and knows no clock.
//
// [BGNBD] is the model of Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005) 275-284: a customer buys
// as a Poisson process of rate λ ~ Gamma(r, α) and after every purchase leaves for good with probability p ~ Beta(a, b). [GammaGamma] is the one
// of Fader and Hardie, The Gamma-Gamma Model of Monetary Value (2013): purchases are Gamma(p, ν) with ν ~ Gamma(q, γ), so that a customer's
// mean spend is independent of how often he buys. [Value] brings both together.
//
// Both are fitted by maximum likelihood ([FitBGNBD], [FitGammaGamma]), on the logarithms of the parameters, with exact gradients; customers of equal
// history are one [Pattern]. What cannot carry a fit is an [Unfit] that says why: there is no default to fall back on.
//
// # Why there is no hypergeometric function
//
// The expected number of purchases is usually written with ₂F₁, which overflows for frequent customers, cancels for short horizons, and
// is undefined at a = 1 although the expectation is not. It is also a sum of positive terms. Of a customer who is alive, has bought x times and
// stays for ever, the number N of purchases in t is negative binomial, with s = r+x and z = t/(α+T+t); the (k+1)th of them happens if N > k and he has
// not left after the k before, so
//
//	E = Σ P(N > k) · (b+x)ₖ / (a+b+x)ₖ   over k ≥ 0
//
// which is the paper's equation (10) without the division by a-1. Nothing cancels: the relative error is below 1e-12, for every a, as long as
// the horizon is not thousands of times α+T (a test compares it with 120 digits).
package clv
