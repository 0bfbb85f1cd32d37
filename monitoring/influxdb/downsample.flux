// Keeps a mean of each minute of all that is a number, and the last value of what isn't, for long.
//
// Each pass looks at the last half hour again: points that came late, because a node waited for the
// broker, find their way into the means of their own minutes. What comes later than that stays in
// the bucket `fedbed` alone.
import "types"

option task = {name: "fedbed_long", every: 10m, offset: 30s}

points = from(bucket: "fedbed") |> range(start: -30m)

points
    |> filter(fn: (r) => types.isNumeric(v: r._value))
    |> aggregateWindow(every: 1m, fn: mean, createEmpty: false)
    |> to(bucket: "fedbed_long", org: "fedbed")

points
    |> filter(fn: (r) => not types.isNumeric(v: r._value))
    |> aggregateWindow(every: 1m, fn: last, createEmpty: false)
    |> to(bucket: "fedbed_long", org: "fedbed")
