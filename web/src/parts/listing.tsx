import type { ReactNode } from 'react'
import { Waiting } from './layout.tsx'
import type { Listed } from './list.ts'
import { Problem } from './problem.tsx'

interface ListingProps<Item> {
  readonly list: Listed<Item>
  readonly empty: ReactNode
  readonly children: ReactNode
}

/** A list as it stands: what went wrong, rows to come, what to do where there are none, or its rows. */
export function Listing<Item>({ list, empty, children }: ListingProps<Item>) {
  if (list.error !== null) return <Problem error={list.error} retry={list.refetch} />
  if (list.isLoading) return <Waiting />
  if (list.items.length === 0 && !list.more.has) return empty
  return children
}
