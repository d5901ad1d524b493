package main

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// summaryPlot is the name of the plot of all cases.
const summaryPlot = "summary"

var (
	oursColor   = color.RGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}
	othersColor = color.RGBA{R: 0xb8, G: 0xb8, B: 0xb8, A: 0xff}
)

// plot draws each case, and all of them, as SVG and PNG. It returns the SVG files by case.
func (res *result) plot(dir string) (map[string]string, error) {
	files := map[string]string{}
	save := func(name string, p *plot.Plot, bars int) error {
		for _, format := range []string{"svg", "png"} {
			if err := savePlot(p, bars, filepath.Join(dir, name), format); err != nil {
				return fmt.Errorf("plot of %s: %w", name, err)
			}
		}
		files[name] = name + ".svg"
		return nil
	}
	var names []string
	var values []float64
	for i := range res.Reports {
		rep := &res.Reports[i]
		p, bars, err := rep.plot()
		if err != nil {
			return nil, err
		}
		if bars == 0 {
			continue
		}
		if err := save(rep.Case, p, bars); err != nil {
			return nil, err
		}
		if ours, rival := rep.ours(), best(rep.Outcomes); ours != nil && rival != nil {
			names, values = append(names, rep.Case), append(values, ratio(ours, rival))
		}
	}
	if len(names) == 0 {
		return files, nil
	}
	p := plot.New()
	p.Title.Text = "cost of gatewheel by that of the best rival"
	if err := addBars(p, names, values, func(i int) bool { return values[i] <= 1 }, nil); err != nil {
		return nil, err
	}
	if err := addLine(p, 1, len(names)); err != nil {
		return nil, err
	}
	return files, save(summaryPlot, p, len(names))
}

// savePlot writes a plot of so many bars, with margins, to path with the format as its ending.
func savePlot(p *plot.Plot, bars int, path, format string) error {
	canvas, err := draw.NewFormattedCanvas(16*vg.Centimeter, vg.Length(60+24*bars)*vg.Millimeter/3, format)
	if err != nil {
		return err
	}
	margin := vg.Points(6)
	p.Draw(draw.Crop(draw.New(canvas), margin, -2*margin, margin, -margin))
	file, err := os.Create(path + "." + format)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(file)
	return errors.Join(err, file.Close())
}

// addLine adds a vertical line at x, as high as so many bars.
func addLine(p *plot.Plot, x float64, bars int) error {
	line, err := plotter.NewLine(plotter.XYs{{X: x, Y: -0.5}, {X: x, Y: float64(bars) - 0.5}})
	if err != nil {
		return err
	}
	p.Add(line)
	return nil
}

// plot draws the costs of a case with their lowest and highest values.
func (rep *report) plot() (p *plot.Plot, bars int, err error) {
	var names []string
	var values []float64
	var ranges plotter.XErrors
	for i := range rep.Outcomes {
		o := &rep.Outcomes[i]
		costs := o.costs()
		if len(costs) == 0 {
			continue
		}
		m, low, high := median(costs), costs[0], costs[0]
		for _, c := range costs {
			low, high = min(low, c), max(high, c)
		}
		names, values = append(names, o.Server), append(values, m)
		ranges = append(ranges, struct{ Low, High float64 }{low - m, high - m})
	}
	p = plot.New()
	p.Title.Text, p.X.Label.Text = rep.About, rep.Unit
	if len(names) == 0 {
		return p, 0, nil
	}
	ours := func(i int) bool { return isOurs(names[i]) }
	return p, len(names), addBars(p, names, values, ours, ranges)
}

// addBars adds horizontal bars, the first at the top, those that are marked in another color.
func addBars(p *plot.Plot, names []string, values []float64, marked func(i int) bool, ranges plotter.XErrors) error {
	n := len(names)
	labels := make([]string, n)
	for i := range n {
		labels[n-1-i] = " " + names[i]
	}
	p.Title.TextStyle.Font.Size, p.Title.Padding = vg.Points(9), vg.Points(8)
	p.NominalY(labels...)
	p.X.Min = 0
	for _, group := range []bool{false, true} {
		// Bars of the other group have no length.
		lengths := make(plotter.Values, n)
		for i := range n {
			if marked(i) == group {
				lengths[n-1-i] = values[i]
			}
		}
		bars, err := plotter.NewBarChart(lengths, vg.Points(9))
		if err != nil {
			return err
		}
		bars.Horizontal, bars.LineStyle.Width, bars.Color = true, 0, othersColor
		if group {
			bars.Color = oursColor
		}
		p.Add(bars)
	}
	if ranges == nil {
		return nil
	}
	points := struct {
		plotter.XYs
		plotter.XErrors
	}{make(plotter.XYs, n), make(plotter.XErrors, n)}
	for i := range n {
		points.XYs[n-1-i] = plotter.XY{X: values[i], Y: float64(n - 1 - i)}
		points.XErrors[n-1-i] = ranges[i]
	}
	lines, err := plotter.NewXErrorBars(points)
	if err != nil {
		return err
	}
	p.Add(lines)
	return nil
}
