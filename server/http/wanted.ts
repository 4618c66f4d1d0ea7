/** A right in Docker's words: what challenges ask a token for, and what registry:2 puts into the detail of a refusal. */
import type { Permission } from '#api/permissions.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** What a request of /v2 wants. `repository` as it was asked for, absent where none is concerned. */
export interface Wanted {
  readonly permission: Permission | 'identity' | 'visible'
  readonly repository: RepositoryName | undefined
}

/** `repository:team/app:pull,push`; undefined where any token does. */
export function scopeText(wanted: Wanted): string | undefined {
  if (wanted.permission === 'identity') return undefined
  if (wanted.repository === undefined) return 'registry:catalog:*'
  return `repository:${wanted.repository}:${actionsOf(wanted.permission).join()}`
}

/** registry:2's detail of a refusal: the rights that were asked for. */
export function refusalDetail(wanted: Wanted): unknown {
  if (wanted.permission === 'identity') return null
  if (wanted.repository === undefined) return [{ Type: 'registry', Class: '', Name: 'catalog', Action: '*' }]
  return actionsOf(wanted.permission).map((action) => ({ Type: 'repository', Class: '', Name: wanted.repository, Action: action }))
}

/** Who pushes reads what is there as well. */
function actionsOf(permission: Wanted['permission']): readonly string[] {
  if (permission === 'repository:push') return ['pull', 'push']
  return permission.endsWith(':delete') ? ['delete'] : ['pull']
}
