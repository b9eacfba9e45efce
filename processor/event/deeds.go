package event

import "unsafe"

// act is a deed that bytes on a way stand for.
type act struct {
	do deed
	field
	text string
	n    int64
}

// deed is what an act does with its field.
type deed uint8

const (
	setText deed = iota
	setNumber
	setBool
	setType
	enterObject
	enterTotals
	beginList  // of texts
	beginLists // of objects
	firstLine
	endLine
	nextLine // one ends and another one begins
	firstTender
	beginTender
	endTender
	beginElement // of another list
)

// do does what bytes on a way mean. It returns false where the decoder has to look.
func (d *Decoder) do(acts []act) bool {
	k := &d.skeleton
	for i := range acts {
		a := &acts[i]
		ok := true
		switch a.do {
		case setText:
			*(*string)(unsafe.Add(k.into[a.part&(parts-1)], a.offset)) = a.text
		case setType:
			d.event.Type = a.text
		case enterObject:
			ok = k.enter(&a.field)
		case enterTotals:
			ok = k.enter(&a.field)
			d.has.totals = true
		case firstLine:
			d.event.Transaction.Lines = d.event.Transaction.Lines[:0]
			ok = d.beginLine()
		case endLine:
			ok = d.endLine()
		case nextLine:
			ok = d.endLine() && d.beginLine()
		case firstTender:
			d.event.Transaction.Tenders = d.event.Transaction.Tenders[:0]
			d.beginTender()
		case beginTender:
			d.beginTender()
		case endTender:
			ok = d.endTender()
		default:
			d.act(a)
		}
		if !ok {
			return false
		}
	}
	return true
}

// enter begins an object that an event has once.
func (k *skeleton) enter(f *field) bool {
	again := k.given&f.given >= givenOnce
	k.given |= f.given
	return !again
}

// beginLine, and those below, are what line and tender do with an element of their list.
func (d *Decoder) beginLine() bool {
	k, t := &d.skeleton, &d.event.Transaction
	if len(t.Lines) == maxLines {
		return false
	}
	t.Lines = grow(t.Lines)
	l := &t.Lines[len(t.Lines)-1]
	l.reset()
	k.into[ofLine] = unsafe.Pointer(l)
	k.given &^= givenLine | givenQuantity | givenGross
	return true
}

func (d *Decoder) endLine() bool {
	const whole = givenLine | givenQuantity | givenGross
	l := (*Line)(d.skeleton.into[ofLine])
	return d.skeleton.given&whole == whole && l.ProductID != "" && (l.GTIN == "" || isGTIN(l.GTIN))
}

func (d *Decoder) beginTender() {
	t := &d.event.Transaction
	t.Tenders = append(t.Tenders, Tender{})
	d.skeleton.into[ofTender] = unsafe.Pointer(&t.Tenders[len(t.Tenders)-1])
	d.skeleton.given &^= givenAmount
}

func (d *Decoder) endTender() bool {
	w := (*Tender)(d.skeleton.into[ofTender])
	return d.skeleton.given&givenAmount != 0 && w.Method != "" && w.Result != ""
}

// act does what is seldom to be done.
func (d *Decoder) act(a *act) {
	k, f, t, h := &d.skeleton, &a.field, &d.event.Transaction, &d.event.Health
	p := unsafe.Add(k.into[f.part], f.offset)
	switch a.do {
	case setNumber:
		f.put(p, a.n)
	case setBool:
		*(*bool)(p) = a.n > 0
		if f.ok > 0 {
			*(*bool)(unsafe.Add(p, f.ok)) = true
		}
	case beginList:
		*(*[]string)(p) = (*(*[]string)(p))[:0]
		if f.ok > 0 {
			*(*bool)(unsafe.Add(p, f.ok)) = true
		}
	case beginLists:
		switch f.shape {
		case shapeLine:
			t.Lines = t.Lines[:0]
		case shapePromotion:
			l := (*Line)(k.into[ofLine])
			l.Promotions = l.Promotions[:0]
		case shapeNotFound:
			t.NotFound = t.NotFound[:0]
		case shapeTender:
			t.Tenders = t.Tenders[:0]
		case shapeTax:
			t.Taxes = t.Taxes[:0]
		case shapeComponent:
			h.Components = h.Components[:0]
		case shapeHost:
			h.Hosts = h.Hosts[:0]
		case shapeError:
			h.Errors = h.Errors[:0]
		}
	case beginElement:
		switch f.shape {
		case shapePromotion:
			l := (*Line)(k.into[ofLine])
			l.Promotions = append(l.Promotions, Promotion{})
			k.into[ofPromotion] = unsafe.Pointer(&l.Promotions[len(l.Promotions)-1])
		case shapeNotFound:
			t.NotFound = append(t.NotFound, NotFound{})
			k.into[ofNotFound] = unsafe.Pointer(&t.NotFound[len(t.NotFound)-1])
		case shapeTax:
			t.Taxes = append(t.Taxes, Tax{})
			k.into[ofTax] = unsafe.Pointer(&t.Taxes[len(t.Taxes)-1])
		case shapeComponent:
			h.Components = append(h.Components, Component{})
			k.into[ofComponent] = unsafe.Pointer(&h.Components[len(h.Components)-1])
		case shapeHost:
			h.Hosts = append(h.Hosts, Host{})
			k.into[ofHost] = unsafe.Pointer(&h.Hosts[len(h.Hosts)-1])
		case shapeError:
			h.Errors = append(h.Errors, HealthError{})
			k.into[ofError] = unsafe.Pointer(&h.Errors[len(h.Errors)-1])
		}
	}
}
