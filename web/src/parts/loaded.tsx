import type { ReactNode } from 'react'
import { Waiting } from './layout.tsx'
import { Problem } from './problem.tsx'

interface LoadedProps<Data> {
  /** What `useQuery` gave. */
  readonly of: { readonly data: Data | undefined; readonly error: Error | null; readonly refetch: () => unknown }
  /** How many rows stand in while it is read. */
  readonly rows?: number
  readonly children: (data: NonNullable<Data>) => ReactNode
}

/** What was read: rows to come, what went wrong with a way to try again, or what it is. */
export function Loaded<Data>({ of: { data, error, refetch }, rows = 5, children }: LoadedProps<Data>) {
  return (
    <>
      {error !== null && <Problem error={error} retry={() => void refetch()} />}
      {(data === undefined || data === null) && error === null && <Waiting rows={rows} />}
      {data !== undefined && data !== null && children(data)}
    </>
  )
}
