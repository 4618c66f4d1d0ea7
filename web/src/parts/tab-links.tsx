import { Link } from '@tanstack/react-router'
import { useEffect, useRef, type ReactNode } from 'react'

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

interface TabsProps {
  readonly label: string
  readonly current: string
  readonly children: ReactNode
}

/** A row of links that scrolls by itself on a narrow window: the one where one is stays in sight. */
export function Tabs({ label, current, children }: TabsProps) {
  const row = useRef<HTMLElement>(null)
  useEffect(() => {
    const link = row.current?.querySelector<HTMLElement>('[data-active]')
    if (!row.current || !link) return
    // Not scrollIntoView: that would move the page too.
    row.current.scrollLeft = link.offsetLeft - row.current.offsetLeft - (row.current.clientWidth - link.offsetWidth) / 2
  }, [current])
  return (
    <nav className="tabs" aria-label={label} ref={row}>
      {children}
    </nav>
  )
}

/** The parts of a page, as links: each has its own address. */
export function TabLinks({ label, to, place, current, tabs }: TabLinksProps) {
  return (
    <Tabs label={label} current={current}>
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
    </Tabs>
  )
}
