package stat

import "math"

// change is a form that a series may have besides its level: a step, a hump, a line, a decay.
type change struct {
	line     bool
	tau      float64 // of a decay from the start, in values; 0: no decay
	from, to int     // of a step or a hump: the values [from, to) lie on another level; to = n for a step
	size     float64 // by how much: of a line from its start to its end, of a decay at its start
	fit      float64 // -2·ln of the likelihood, but for a constant; less is better
}

func (c *change) at(i, n int) float64 {
	switch {
	case c.line:
		return float64(i)/float64(n-1) - 0.5
	case c.tau > 0:
		return math.Exp(-float64(i) / c.tau)
	case i >= c.from && i < c.to:
		return 1
	}
	return 0
}

// over returns where a step or a hump has ended: a step where it begins, for its level then stays.
func (c *change) over(n int) int {
	if c.to < n {
		return c.to
	}
	return c.from
}

// product is what is to be known of two series p and q for their product under any first-order autoregression.
type product struct {
	all   float64 // Σ p·q
	inner float64 // the same without the first and the last value
	cross float64 // Σ p(i)·q(i-1) + p(i-1)·q(i)
}

// whitened returns the product of both series after the transformation of Prais and Winsten (1954), which makes the errors
// independent: Σ (p(i)-rho·p(i-1))·(q(i)-rho·q(i-1)), the first value with the weight 1-rho².
func (p product) whitened(rho float64) float64 { return p.all + rho*rho*p.inner - rho*p.cross }

func multiply(p, q func(int) float64, n int) product {
	var s product
	for i := range n {
		s.all += p(i) * q(i)
		if i > 0 {
			s.cross += p(i)*q(i-1) + p(i-1)*q(i)
			if i < n-1 {
				s.inner += p(i) * q(i)
			}
		}
	}
	return s
}

// fitter fits forms to one series.
type fitter struct {
	y                      []float64 // less its mean
	sum                    []float64 // sum[i] of the first i values
	ones, total, own       product   // 1·1, 1·y, y·y
	withOnes, withY, withZ product   // of the form at hand: 1·z, z·y, z·z
}

func newFitter(y []float64) *fitter {
	n := len(y)
	mean := meanOf(y)
	f := &fitter{y: make([]float64, n), sum: make([]float64, n+1)}
	for i, v := range y {
		f.y[i] = v - mean
		f.sum[i+1] = f.sum[i] + f.y[i]
	}
	one, self := func(int) float64 { return 1 }, func(i int) float64 { return f.y[i] }
	f.ones, f.total, f.own = multiply(one, one, n), multiply(one, self, n), multiply(self, self, n)
	return f
}

// take computes the products of the form: from sums where it is a step or a hump, for of these there are many.
func (f *fitter) take(c *change) {
	n := len(f.y)
	if c.line || c.tau > 0 {
		z, one, self := func(i int) float64 { return c.at(i, n) }, func(int) float64 { return 1 }, func(i int) float64 { return f.y[i] }
		f.withOnes, f.withY, f.withZ = multiply(one, z, n), multiply(z, self, n), multiply(z, z, n)
		return
	}
	a, b := c.from, c.to
	within := func(a, b, low, high int) (count, sum float64) { // of [a, b) cut to [low, high)
		a, b = max(a, low), min(b, high)
		if a >= b {
			return 0, 0
		}
		return float64(b - a), f.sum[b] - f.sum[a]
	}
	all, sum := within(a, b, 0, n)
	inner, innerSum := within(a, b, 1, n-1)
	later, _ := within(a, b, 1, n)
	earlier, _ := within(a, b, 0, n-1)
	_, next := within(a+1, b+1, 1, n)       // Σ z(i-1)·y(i)
	_, previous := within(a-1, b-1, 0, n-1) // Σ z(i)·y(i-1)
	f.withOnes = product{all, inner, later + earlier}
	f.withY = product{sum, innerSum, next + previous}
	f.withZ = product{all, inner, 2 * max(0, all-1)}
}

// estimate fits level + size·form with first-order autoregressive errors by generalised least squares. The
// autocorrelation is that of the residuals of ordinary least squares, corrected for its bias in short series (Marriott and
// Pope; Kendall, both in Biometrika 41, 1954). A form of nothing but zeros fits the level alone.
func (f *fitter) estimate(c *change) {
	f.take(c)
	nf := float64(len(f.y))
	level, size, _ := f.solve(0)
	residual := func(of func(product) float64) float64 {
		return of(f.own) + level*level*of(f.ones) + size*size*of(f.withZ) -
			2*level*of(f.total) - 2*size*of(f.withY) + 2*level*size*of(f.withOnes)
	}
	rho := 0.0
	if down := residual(func(p product) float64 { return p.all }); down > 1e-20*nf {
		rho = residual(func(p product) float64 { return p.cross }) / 2 / down
	}
	rho = min(maxCorrelated, max(0, rho+(1+2*rho)/nf))
	_, c.size, c.fit = f.solve(rho)
	// Rounding leaves something of a fit that leaves nothing.
	c.fit = nf*math.Log(max(c.fit, 1e-20*nf)) - math.Log(1-rho*rho)
}

// solve returns the least squares for a given autocorrelation, and the sum of squares that they leave.
func (f *fitter) solve(rho float64) (level, size, rest float64) {
	a, b, d := f.ones.whitened(rho), f.withOnes.whitened(rho), f.withZ.whitened(rho)
	u, w := f.total.whitened(rho), f.withY.whitened(rho)
	rest = f.own.whitened(rho) - u*u/a
	if det := a*d - b*b; det > 1e-12*a*d {
		size = (a*w - b*u) / det
		rest -= size * (w - b*u/a)
	}
	return (u - b*size) / a, size, rest
}

const maxCorrelated = 0.95 // beyond it nothing can be told from a drift

// strongest returns the form that makes y likelier than a level alone, and twice the logarithm of how many times likelier
// it is at the best place. Levels last for least values at least.
func strongest(y []float64, least int) (best change, gain float64) {
	n := len(y)
	f := newFitter(y)
	alone := change{}
	f.estimate(&alone)
	try := func(c change, price float64) {
		f.estimate(&c)
		if g := alone.fit - c.fit - price; g > gain {
			best, gain = c, g
		}
	}
	try(change{line: true}, linePrice)
	for tau := float64(n) / 2; tau >= 1; tau /= 2 {
		try(change{tau: tau}, linePrice)
	}
	for from := least; from+least <= n; from++ {
		try(change{from: from, to: n}, 0)
		for to := from + least; to+least <= n; to++ {
			try(change{from: from, to: to}, humpPrice)
		}
	}
	return best, gain
}

// What a form pays so that each of them is found by chance as often: a line or a decay has no place to choose, a hump has two.
const (
	linePrice = -5
	humpPrice = 4
)
