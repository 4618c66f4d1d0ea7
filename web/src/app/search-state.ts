/** What a page shows is kept in its address: whoever comes back, or is sent there, sees the same. */
import { useNavigate } from '@tanstack/react-router'

/** What any of the pages keep there. */
interface SearchState {
  readonly q?: string | undefined
  readonly sort?: string | undefined
  readonly view?: string | undefined
  readonly actor?: string | undefined
  readonly label?: number | undefined
  readonly job?: number | undefined
  readonly item?: number | undefined
}

/** Changes some of it in place: the way back leads to the page before, and nothing scrolls. What is empty is left out. */
export function useSetSearch(): (changes: SearchState) => void {
  const navigate = useNavigate()
  return (changes) => {
    const said = Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value === '' ? undefined : value]))
    void navigate({ to: '.', search: (before) => ({ ...before, ...said }), replace: true, resetScroll: false })
  }
}
