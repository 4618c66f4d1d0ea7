/** Which rows of a long list are in sight: all have one height, and the page scrolls. */
import { useLayoutEffect, useState, type RefObject } from 'react'

interface RowsOptions {
  readonly count: number
  readonly rowHeight: number
  /** What the rows are in. */
  readonly body: RefObject<HTMLElement | null>
}

/** Rows from `first` to before `end` are drawn. */
export interface VisibleRows {
  readonly first: number
  readonly end: number
}

/** Drawn beyond each edge of the window, so that a little scrolling shows no gap. */
const beyond = 8
/** The range moves by so many rows: not each pixel draws anew. */
const step = 2
/** Before it is known where the list stands. */
const atFirst: VisibleRows = { first: 0, end: 30 }

/** The rows to draw now; follows the window. */
export function useVisibleRows({ count, rowHeight, body }: RowsOptions): VisibleRows {
  const [shown, setShown] = useState(atFirst)
  useLayoutEffect(() => {
    const look = () => {
      if (body.current === null) return
      const above = -body.current.getBoundingClientRect().top
      const first = Math.max(0, step * Math.floor((above / rowHeight - beyond) / step))
      const last = step * Math.ceil(((above + window.innerHeight) / rowHeight + beyond) / step)
      // Some are there even where the list stands below the window: for who does not scroll to it, but jumps.
      const end = Math.max(first + 2 * beyond, last)
      setShown((before) => (before.first === first && before.end === end ? before : { first, end }))
    }
    look()
    addEventListener('scroll', look, { passive: true })
    addEventListener('resize', look)
    // What stands above may come later, and grow.
    const observer = new ResizeObserver(look)
    observer.observe(document.body)
    return () => {
      removeEventListener('scroll', look)
      removeEventListener('resize', look)
      observer.disconnect()
    }
  }, [body, rowHeight])
  // A list that became shorter is shown at its end until the window has followed.
  const first = Math.min(shown.first, Math.max(0, count - (shown.end - shown.first)))
  return { first, end: Math.min(count, first + shown.end - shown.first) }
}
