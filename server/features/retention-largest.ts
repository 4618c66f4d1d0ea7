/** The so many largest of what is offered, in memory for no more than those: a heap whose root is the least of them. */

/** Of {@link createLargest}. */
export interface Largest<Item> {
  offer(item: Item): void
  /** In no order. */
  items(): readonly Item[]
}

/** `compare` is negative when the first is less. */
export function createLargest<Item>(count: number, compare: (a: Item, b: Item) => number): Largest<Item> {
  const heap: Item[] = []
  const isLess = (a: number, b: number) => {
    const [first, second] = [heap[a], heap[b]]
    return first !== undefined && second !== undefined && compare(first, second) < 0
  }
  const swap = (a: number, b: number) => {
    const [first, second] = [heap[a], heap[b]]
    if (first === undefined || second === undefined) return
    heap[a] = second
    heap[b] = first
  }
  const up = () => {
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1
      if (!isLess(at, parent)) return
      swap(at, parent)
      at = parent
    }
  }
  const down = () => {
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      const least = isLess(right, left) ? right : left
      if (!isLess(least, at)) return
      swap(at, least)
      at = least
    }
  }
  return {
    offer(item) {
      const [least] = heap
      if (heap.length < count) {
        heap.push(item)
        up()
      } else if (least !== undefined && compare(item, least) > 0) {
        heap[0] = item
        down()
      }
    },
    items: () => heap,
  }
}
