package event

// isGS1 says whether s is digits with a GS1 check digit in the end (GS1 General Specifications 7.9): weights 3 and 1 alternate, 3 next
// to the check digit, and the sum is a multiple of 10. GTIN, GLN and SSCC share it.
func isGS1[T string | []byte](s T) bool {
	sum := 0
	for i := range len(s) {
		v := int(s[i]) - '0'
		if v < 0 || v > 9 {
			return false
		}
		if (len(s)-i)%2 == 0 {
			v *= 3
		}
		sum += v
	}
	return len(s) > 1 && sum%10 == 0
}

// isGTIN says whether s is a GTIN-8, -12, -13 or -14 with a valid check digit.
func isGTIN[T string | []byte](s T) bool {
	switch len(s) {
	case 8, 12, 13, 14:
		return isGS1(s)
	}
	return false
}

// isGLN says whether s is a Global Location Number with a valid check digit.
func isGLN(s string) bool { return len(s) == 13 && isGS1(s) }
