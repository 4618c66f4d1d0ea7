import { Link } from '@tanstack/react-router'

/** One part of a page that is a page of its own. */
export interface TabLink {
  readonly part: string | undefined
  readonly name: string
}

interface TabLinksProps {
  readonly label: string
  readonly to: '/projects/$' | '/repositories/$'
  readonly place: (part: string | undefined) => string
  readonly current: string
  readonly tabs: readonly TabLink[]
}

/** The parts of a page, as links: each has its own address. */
export function TabLinks({ label, to, place, current, tabs }: TabLinksProps) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(({ part, name }) => {
        const isCurrent = current === (part ?? '')
        return (
          <Link
            key={name}
            to={to}
            params={{ _splat: place(part) }}
            search={{}}
            className="tab"
            {...(isCurrent && { 'data-active': true, 'aria-current': 'page' as const })}
          >
            {name}
          </Link>
        )
      })}
    </nav>
  )
}
