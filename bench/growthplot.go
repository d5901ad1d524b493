package main

import (
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// growthPlotBars is the height of each plot of growth, in bars of the other plots.
const growthPlotBars = 7

// plot draws each series, and memory, as SVG and PNG.
func (res *growthResult) plot(dir string) error {
	for i := range res.Series {
		p, err := res.Series[i].plot()
		if err != nil {
			return err
		}
		if err := saveGrowth(p, filepath.Join(dir, res.Series[i].Name)); err != nil {
			return err
		}
	}
	p, err := res.plotMemory()
	if err != nil {
		return err
	}
	return saveGrowth(p, filepath.Join(dir, "memory"))
}

// saveGrowth writes a plot as SVG and PNG.
func saveGrowth(p *plot.Plot, path string) error {
	for _, format := range []string{"svg", "png"} {
		if err := savePlot(p, growthPlotBars, path, format); err != nil {
			return err
		}
	}
	return nil
}

// plot draws the medians of a series with their lowest and highest values.
func (s *seriesResult) plot() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = s.About, s.Axis, "µs/request"
	p.Title.TextStyle.Font.Size = vg.Points(9)
	p.Y.Min = 0
	points := struct {
		plotter.XYs
		plotter.YErrors
	}{}
	var ticks []plot.Tick
	for i := range s.Points {
		costs := s.Points[i].costs()
		if len(costs) == 0 {
			continue
		}
		m := median(costs)
		n := float64(s.Points[i].N)
		points.XYs = append(points.XYs, plotter.XY{X: n, Y: m})
		points.YErrors = append(points.YErrors, struct{ Low, High float64 }{slices.Min(costs) - m, slices.Max(costs) - m})
		ticks = append(ticks, plot.Tick{Value: n, Label: grouped(s.Points[i].N)})
	}
	if len(points.XYs) == 0 {
		return p, nil
	}
	dots, marks, err := plotter.NewLinePoints(points.XYs)
	if err != nil {
		return nil, err
	}
	dots.Color, marks.Color = oursColor, oursColor
	bars, err := plotter.NewYErrorBars(points)
	if err != nil {
		return nil, err
	}
	p.Add(dots, marks, bars)
	p.Y.Max *= 1.1
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	if len(ticks) > 1 {
		p.X.Scale = plot.LogScale{}
	}
	return p, nil
}

// plotMemory draws resident memory against connections, a line for each protocol.
func (res *growthResult) plotMemory() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = "resident memory of the process", "connections", "MiB"
	p.Title.TextStyle.Font.Size = vg.Points(9)
	p.Y.Min, p.Legend.Top, p.Legend.Left = 0, true, true
	var lines []any
	for i := range res.Memory {
		m := &res.Memory[i]
		var points plotter.XYs
		for _, at := range m.Points {
			points = append(points, plotter.XY{X: float64(at.Connections), Y: float64(at.Resident) / (1 << 20)})
		}
		if len(points) > 0 {
			lines = append(lines, longNames[m.Protocol], points)
		}
	}
	return p, plotutil.AddLinePoints(p, lines...)
}
