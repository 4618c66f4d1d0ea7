/** Who is here, what they may, and what the registry says of itself. */
import type { Permission } from '#api/permissions.ts'
import type { ResponseOf } from '#api/contract.ts'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { query, queryClient } from './client.ts'
import { readOwnPermissions, readOwnRepositoryPermissions, readSession, readSystem } from './routes.ts'

export const sessionQuery = queryOptions({ ...query(readSession), staleTime: 60_000, refetchOnWindowFocus: true })
export const systemQuery = queryOptions({ ...query(readSystem), staleTime: 60_000 })

export type Session = ResponseOf<typeof readSession>

/** The session and short questions about it. */
export interface Who {
  readonly session: Session | undefined
  readonly isLoading: boolean
  readonly isSignedIn: boolean
  /** Nobody signs in here: whoever comes may do what the configuration lets them. */
  readonly isOpen: boolean
  readonly name: string
  /** Everywhere. */
  may(permission: Permission): boolean
}

export function useWho(): Who {
  const { data: session, isLoading } = useQuery(sessionQuery)
  const { data: system } = useQuery(systemQuery)
  const held = new Set<string>(session?.permissions)
  return {
    session,
    isLoading,
    isSignedIn: session?.state === 'active',
    isOpen: system?.authentication.kind === 'open',
    name: session?.user?.name ?? '',
    may: (permission) => held.has(permission),
  }
}

const none: ReadonlySet<string> = new Set()

/** What the caller may in a project; nothing while it is not known. */
export function useProjectRights(project: string | undefined): ReadonlySet<string> {
  const { data } = useQuery({ ...query(readOwnPermissions, { params: { project: project ?? '-' } }), enabled: project !== undefined })
  return data === undefined ? none : new Set(data.permissions)
}

/** What the caller may on a repository; nothing while it is not known. */
export function useRepositoryRights(repository: string): ReadonlySet<string> {
  const { data } = useQuery(query(readOwnRepositoryPermissions, { params: { repository } }))
  return data === undefined ? none : new Set(data.permissions)
}

/** After somebody came or went nothing that was read before counts. */
export async function forgetEverything(session?: Session): Promise<void> {
  queryClient.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== readSystem.path && queryKey[0] !== readSession.path })
  if (session === undefined) await queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey })
  else queryClient.setQueryData(sessionQuery.queryKey, session)
}
