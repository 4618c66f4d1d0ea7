/**
 * What becomes of a request on a repository: allowed, refused, or answered as if the repository were not there.
 *
 * The problem: whether a project exists is nobody's business who may not see it, and a name that does not exist is answered by the rights on what would
 * own it. The way: a request on a project that the caller may not see is decided again as if that project were absent, by what stands above it
 * and at last by the default project, just as a made-up name is; so both get the same answer, by the same steps.
 */
import { unbounded, type Access, type Place } from '#access/access.ts'
import type { ProjectFacts } from '#access/decide.ts'
import type { Principal } from '#access/principal.ts'
import type { Permission } from '#api/permissions.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** `scope`: the caller may, but the credential does not carry it. `absent`: there is no such repository, as far as the caller is concerned. */
export type Verdict = 'allowed' | 'scope' | 'refused' | 'absent'

/** The verdict, and the repository by its present name. */
export interface Judgement {
  readonly verdict: Verdict
  readonly repository: RepositoryName
  readonly project: ProjectFacts
}

/** Whoever may do one of these knows that the project is there. */
const sights: readonly Permission[] = ['project:read', 'repository:list', 'repository:read', 'repository:pull', 'repository:push']

/** `asked` is the name as the request has it. */
export async function judge(access: Access, principal: Principal, permission: Permission, asked: RepositoryName): Promise<Judgement> {
  const { repository, project } = await access.locate(asked)
  const verdict = await plainVerdict(access, principal, permission, { repository })
  if (verdict !== 'refused' || (await sees(access, principal, { repository }))) return { verdict, repository, project }
  const hidden = await verdictWithout(access, principal, permission, { asked, project: repository === asked ? project : undefined })
  return { verdict: hidden, repository: asked, project }
}

/** As if the project were not there, nor any above it that is hidden as well. Without a project: as if the name led nowhere else. */
async function verdictWithout(
  access: Access,
  principal: Principal,
  permission: Permission,
  { asked, project }: { readonly asked: RepositoryName; readonly project: ProjectFacts | undefined },
): Promise<Verdict> {
  let last = project
  let owner = await access.project(project?.name ?? asked, 'above')
  while (owner !== undefined && owner.id !== last?.id) {
    const place = { repository: asked, ownedBy: owner }
    const verdict = await plainVerdict(access, principal, permission, place)
    // What is there cannot be made: a push is refused, whoever might push to a free name.
    if (verdict === 'allowed') return permission === 'repository:push' ? 'refused' : 'absent'
    if (verdict !== 'refused' || owner.isDefault || (await sees(access, principal, place))) return verdict
    last = owner
    owner = await access.project(owner.name, 'above')
  }
  return 'refused'
}

async function plainVerdict(access: Access, principal: Principal, permission: Permission, place: Place): Promise<Verdict> {
  if (await access.may(principal, permission, place)) return 'allowed'
  if (principal.rights.limits === undefined) return 'refused'
  return (await access.may(unbounded(principal), permission, place)) ? 'scope' : 'refused'
}

async function sees(access: Access, principal: Principal, place: Place): Promise<boolean> {
  const whole = unbounded(principal)
  for (const sight of sights) if (await access.may(whole, sight, place)) return true
  return false
}
