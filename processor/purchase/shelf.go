package purchase

import "github.com/tillstream/tillstream/processor/table"

// shelf is what a store sells on a business date in one currency. Once it is worth the room it knows where its products are in product_sales, so that the next line of one
// is not looked up.
type shelf struct {
	found  int      // lines that were looked up, of a product that was sold before
	places []placed // by number of the product's id
}

// placed is where the last line of a product counted.
type placed struct {
	next     int32 // index in product_sales and one; 0: none did
	category uint32
}

// places is the room of shelves.
type places struct {
	used  int        // in the open batch
	spare [][]placed // of the batch before
}

// find is the index of a product in product_sales, or table.Unlocated.
func (s *shelf) find(product, category uint32) int32 {
	if int(product) < len(s.places) {
		if at := s.places[product]; at.next != 0 && at.category == category {
			return at.next - 1
		}
	}
	return table.Unlocated
}

// put says where a product is that was looked up and found. A shelf where few were gets no room: that of all names, of which there are
// so many, would be more than what it sold.
func (p *places) put(s *shelf, product uint32, names int, at placed) {
	if s.found++; s.found < names/2 {
		return
	}
	if int(product) >= len(s.places) {
		p.grow(s, names)
	}
	s.places[product] = at
}

func (p *places) grow(s *shelf, n int) {
	if last := len(p.spare) - 1; s.places == nil && last >= 0 {
		s.places = p.spare[last][:0]
		p.spare = p.spare[:last]
	}
	p.used += n - len(s.places)
	s.places = append(s.places, make([]placed, n-len(s.places))...)
}

// reset takes back the room of all shelves for the next batch.
func (p *places) reset(all []table.Entry[shelfKey, shelf]) {
	clear(p.spare)
	p.used, p.spare = 0, p.spare[:0]
	for i := range all {
		if room := all[i].Value.places; room != nil {
			p.spare = append(p.spare, room)
		}
	}
}
