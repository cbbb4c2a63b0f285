package extract

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// realLiteral returns SQL for a number that every SQLite reads as this very number. Older
// ones round a decimal of many digits now and then to a neighbour: such a number is
// written as a whole one times a power of two, which rounds nothing.
func realLiteral(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "9e999"
	case math.IsInf(f, -1):
		return "-9e999"
	case f == 0 && math.Signbit(f):
		return "-0.0"
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	if decimal := strconv.FormatFloat(f, 'e', -1, 64); isExact(decimal, f) {
		return decimal
	}
	return powers(f)
}

// isExact reports whether a decimal in scientific notation is read as f where SQLite
// divides or multiplies once, in numbers of 53 or of 64 bits.
func isExact(decimal string, f float64) bool {
	digits, exponent, _ := strings.Cut(decimal, "e")
	whole, fraction, _ := strings.Cut(digits, ".")
	significand, err := strconv.ParseInt(whole+fraction, 10, 64)
	e, err2 := strconv.Atoi(exponent)
	e -= len(fraction)
	const mostDigits, mostPower = 15, 22 // what 53 bits hold exactly
	if err != nil || err2 != nil || len(strings.TrimLeft(whole+fraction, "-")) > mostDigits || e > mostPower || e < -mostPower {
		return false
	}
	power := new(big.Float).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e, -e))), nil))
	result := new(big.Float).SetPrec(64)
	if value := new(big.Float).SetInt64(significand); e < 0 {
		result.Quo(value, power)
	} else {
		result.Mul(value, power)
	}
	rounded, _ := result.Float64()
	return rounded == f
}

// powers returns f as a whole number times powers of two.
func powers(f float64) string {
	const bits = 53
	fraction, exponent := math.Frexp(f)
	whole := int64(fraction * (1 << bits))
	exponent -= bits
	for whole%2 == 0 {
		whole, exponent = whole/2, exponent+1
	}
	var b strings.Builder
	b.WriteString(strconv.FormatInt(whole, 10))
	operator := "*"
	if exponent < 0 {
		operator, exponent = "/", -exponent
	}
	for step := 32; exponent > 0; exponent -= step {
		step = min(step, exponent)
		b.WriteString(operator + strconv.FormatInt(1<<step, 10) + ".0")
	}
	return b.String()
}
