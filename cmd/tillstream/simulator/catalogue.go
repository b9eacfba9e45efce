package simulator

import (
	"math"
	"strconv"
)

// group is what a kind of store sells more or less of.
type group uint8

const (
	fresh group = iota
	grocery
	drinks
	snacks
	household
	other
	groups
)

type category struct {
	name          string
	group         group
	share         float64 // of the catalogue
	median, sigma float64 // price, EUR cents
	weighed       bool    // price is for a kilogram
	reduced       bool    // tax rate
	deposit       int64   // EUR cents for a bottle
}

var categories = [...]category{
	{"Fruit", fresh, 4, 280, 0.4, true, true, 0},
	{"Vegetables", fresh, 5, 240, 0.4, true, true, 0},
	{"Meat", fresh, 4, 1450, 0.5, true, true, 0},
	{"Fish", fresh, 2, 1900, 0.5, true, true, 0},
	{"Cheese", fresh, 4, 1600, 0.4, true, true, 0},
	{"Bread & pastry", fresh, 5, 160, 0.5, false, true, 0},
	{"Dairy & eggs", fresh, 8, 190, 0.4, false, true, 0},
	{"Pasta & rice", grocery, 6, 170, 0.4, false, true, 0},
	{"Tins & jars", grocery, 8, 220, 0.4, false, true, 0},
	{"Oil & spices", grocery, 5, 380, 0.5, false, true, 0},
	{"Breakfast", grocery, 6, 340, 0.4, false, true, 0},
	{"Frozen", grocery, 8, 420, 0.5, false, true, 0},
	{"Café & thé", grocery, 4, 480, 0.4, false, true, 0},
	{"Water", drinks, 3, 80, 0.4, false, true, 15},
	{"Soft drinks", drinks, 5, 170, 0.4, false, true, 25},
	{"Beer", drinks, 4, 230, 0.4, false, false, 8},
	{"Wine", drinks, 5, 850, 0.6, false, false, 0},
	{"Chocolate", snacks, 5, 240, 0.5, false, true, 0},
	{"Crisps & nuts", snacks, 4, 220, 0.4, false, true, 0},
	{"Sandwiches", snacks, 2, 420, 0.3, false, true, 0},
	{"Cleaning", household, 6, 390, 0.5, false, false, 0},
	{"Hygiene", household, 7, 360, 0.6, false, false, 0},
	{"Pets", household, 4, 420, 0.6, false, false, 0},
	{"Clothing", other, 6, 1990, 0.6, false, false, 0},
	{"Toys & games", other, 3, 1790, 0.7, false, false, 0},
	{"Press & books", other, 3, 520, 0.6, false, false, 0},
}

// product of the catalogue. Its index is its rank: the popularity of rank k is proportional to 1/(k+rankShift).
type product struct {
	id, gtin, plain string // plain: without a leading letter, as old tills send it
	category        *category
	price           float64 // EUR cents, for one or for a kilogram
}

// rankShift flattens the head of Zipf's law (B. Mandelbrot): no product is a tenth of all that is sold.
const rankShift = 3

type catalogue struct {
	products []product
	pick     [len(formats)]alias  // by type of store
	prices   [len(places)][]int64 // minor units, by place and product
}

func newCatalogue(seed uint64, n int) *catalogue {
	r := newRandom(seed, 1)
	c := &catalogue{products: make([]product, n)}
	shares := make([]float64, len(categories))
	for i := range categories {
		shares[i] = categories[i].share
	}
	kinds := newAlias(shares)
	for i := range c.products {
		cat := &categories[kinds.draw(r)]
		p := product{category: cat, price: max(math.Round(r.logNormal(cat.median, cat.sigma)), 10), plain: strconv.Itoa(100_000 + i)}
		p.id = "P" + p.plain
		if !cat.weighed {
			p.gtin = gtin(strconv.FormatInt(300_000_000_000+r.Int64N(99_999_999_999), 10))
		}
		c.products[i] = p
	}
	for f := range formats {
		weights := make([]float64, n)
		for i := range weights {
			weights[i] = formats[f].appeal[c.products[i].category.group] / float64(i+rankShift)
		}
		c.pick[f] = newAlias(weights)
	}
	for p := range places {
		c.prices[p] = make([]int64, n)
		for i := range c.products {
			c.prices[p][i] = places[p].amount(c.products[i].price)
		}
	}
	return c
}

// amount is EUR cents in the place's money.
func (p *place) amount(cents float64) int64 {
	return max(int64(math.Round(cents*p.factor/float64(p.step))), 1) * p.step
}

// gtin appends the GS1 check digit.
func gtin(digits string) string {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			d *= 3
		}
		sum += d
	}
	return digits + string(rune('0'+(10-sum%10)%10))
}
