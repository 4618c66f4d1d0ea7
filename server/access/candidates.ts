/** Names of people and groups by their beginning, for who may give roles in a project but not list accounts. */
import { listGroupRecords } from '#metadata/groups.ts'
import { listUserRecords } from '#metadata/users.ts'
import type { Directory } from './directory.ts'
import { commonNameStart } from './group-meant.ts'

/** Whom a role could be given to. Of a person no more than the names. */
export interface Candidate {
  readonly kind: 'user' | 'group'
  readonly id: number
  readonly name: string
  /** That says who is in the group; null for a local one, and for people. */
  readonly provider: string | null
  /** Empty for groups. */
  readonly displayName: string
}

/** People first, then groups, each by name, `limit` of each kind at most; accounts that are disabled are left out. */
export async function findCandidates(
  { metadata: { reader } }: Pick<Directory, 'metadata'>,
  { namePrefix, limit }: { readonly namePrefix: string; readonly limit: number },
): Promise<readonly Candidate[]> {
  const page = { limit, column: 'name', isDescending: false } as const
  const users = await listUserRecords(reader, { namePrefix, isDisabled: false }, page)
  const groups = await listGroupRecords(reader, { namePrefix, externalPrefix: commonNameStart(namePrefix) }, page)
  return [
    ...users.items.map(({ id, name, displayName }) => ({ kind: 'user', id, name, provider: null, displayName }) as const),
    ...groups.items.map(({ id, name, provider }) => ({ kind: 'group', id, name, provider, displayName: '' }) as const),
  ]
}
