/** Sorting that lets others have their turn: hundreds of thousands of names in one go would hold every other request. */

/** Sorted and merged at once; a few milliseconds. */
const runLength = 4_096

/** A sorted copy. Stable. */
export async function sortGently<Item>(items: readonly Item[], compare: (left: Item, right: Item) => number): Promise<Item[]> {
  let runs: Item[][] = []
  for (let at = 0; at < items.length; at += runLength) {
    runs.push(items.slice(at, at + runLength).toSorted(compare))
    if (items.length > runLength) await breathe()
  }
  while (runs.length > 1) {
    const merged: Item[][] = []
    for (let at = 0; at < runs.length; at += 2) merged.push(await merge(runs[at] ?? [], runs[at + 1] ?? [], compare))
    runs = merged
  }
  return runs[0] ?? []
}

/** Gives the event loop a turn. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function merge<Item>(left: readonly Item[], right: readonly Item[], compare: (left: Item, right: Item) => number): Promise<Item[]> {
  const merged: Item[] = []
  let [leftAt, rightAt] = [0, 0]
  while (leftAt < left.length && rightAt < right.length) {
    const isLeft = compare(left[leftAt] as Item, right[rightAt] as Item) <= 0
    merged.push((isLeft ? left[leftAt++] : right[rightAt++]) as Item)
    if (merged.length % (4 * runLength) === 0) await breathe()
  }
  for (; leftAt < left.length; leftAt++) merged.push(left[leftAt] as Item)
  for (; rightAt < right.length; rightAt++) merged.push(right[rightAt] as Item)
  return merged
}
