package format

import "strconv"

// thousandths is how fields end that JSON has as a decimal, and the other formats as a whole number.
const thousandths = "_thousandths"

// appendThousandths appends a number of thousandths as a decimal.
func appendThousandths(out []byte, n int64) []byte {
	u := uint64(n)
	if n < 0 {
		out, u = append(out, '-'), -u
	}
	out = strconv.AppendUint(out, u/1000, 10)
	if f := u % 1000; f > 0 {
		out = append(out, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	return out
}

// appendText appends a string as JSON has it. What is not UTF-8 stays so: package event has a reason for it.
func appendText(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// appendKey appends the key of a field, and a comma before it where it is not the first.
func appendKey(out []byte, name string) []byte {
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(append(append(out, '"'), name...), `":`...)
}
