/** How many values one statement takes: far below the limits of both databases, large enough that a round trip does not count. */
const chunkLength = 500

/** Cuts a list into pieces that fit the variables of one statement. */
export function* inChunks<Value>(values: readonly Value[]): Generator<Value[]> {
  for (let start = 0; start < values.length; start += chunkLength) yield values.slice(start, start + chunkLength)
}
