package event

import "unsafe"

// put puts a number where it belongs.
func (f *field) put(p unsafe.Pointer, n int64) {
	if f.narrow {
		*(*uint32)(p) = uint32(n)
	} else {
		*(*int64)(p) = n * f.scale
	}
	if f.ok > 0 {
		*(*bool)(unsafe.Add(p, f.ok)) = true
	}
}

// take takes a value of any kind that begins at i and belongs to p, if it is plain, and says where it ends; else that is negative.
func (d *Decoder) take(f *field, p unsafe.Pointer, i int) int {
	in := d.value
	switch f.kind {
	case skipped:
		switch {
		case i == len(in):
			return -1
		case in[i] == '"':
			_, end := d.plainText(i+1, false)
			if end == 0 {
				return -1
			}
			i = end + 1
		default:
			_, end := short(in, i)
			if end == 0 {
				if _, end = shortDecimal(in, i); end == 0 {
					return -1
				}
			}
			i = end
		}
	case text, clearText, texts:
		t, end := d.plainText(i, f.kind == clearText)
		if end == 0 {
			return -1
		}
		if f.kind == texts {
			*(*[]string)(p) = append(*(*[]string)(p), t)
		} else {
			*(*string)(p) = t
		}
		i = end
	case number, counter:
		if f.scale != 1 {
			return thousandths((*int64)(p), in, i)
		}
		n, end := short(in, i)
		if end == 0 || n < f.low || n > f.high {
			return -1
		}
		f.put(p, n)
		i = end
	case instant:
		t, n := d.dates.time(in, i)
		if n == 0 {
			if i == len(in) || in[i] != '"' {
				return -1
			}
			var ok bool
			text, end := d.plainText(i+1, false)
			if t, ok = ParseTime(text); end == 0 || !ok {
				return -1
			}
			n = end + 1 - i
		}
		*(*Time)(p) = t
		i += n
	case day:
		if i+10 > len(in) {
			return -1
		}
		days, ok := d.dates.parse(in[i:])
		if !ok {
			return -1
		}
		*(*Opt[int32])(p) = Some(days)
		i += 10
	default:
		return -1
	}
	return i
}

// thousandths takes a decimal number that begins at i, as take does.
func thousandths(into *int64, in []byte, i int) int {
	sign := int64(1)
	if i < len(in) && in[i] == '-' {
		sign = -1
		i++
	}
	n, end := shortDecimal(in, i)
	if end == 0 {
		return -1
	}
	*into = sign * n
	return end
}

// plainText is the string whose first byte is at i, and where it ends; that is zero if there is more to do than to point at it.
func (d *Decoder) plainText(i int, bare bool) (text string, end int) {
	end, seen := special(d.value, i)
	if end >= len(d.value) || d.value[end] != '"' {
		return "", 0
	}
	d.skeleton.seen |= seen
	b := d.value[i:end]
	if !bare && len(b) >= minPAN && suspicious(b) {
		d.skeleton.card = true
		return "", 0
	}
	return alias(b), end
}
