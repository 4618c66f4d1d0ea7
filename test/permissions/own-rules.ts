/** What a route asks beyond its demand, where the demand is no permission: things of one's own, and sign-ins under way. Written from the documentation. */
import type { Actor } from './scene.ts'

/** What an answer must be; `allowed`: anything but 401, 403, 404 and a fault. */
export type Verdict = 'allowed' | 401 | 403 | 404

type Rule = (actor: Actor, usual: Verdict) => Verdict

function isRobot({ name }: Actor): boolean {
  return name.startsWith('robot ')
}

/** Second factors and linked identities open an account: neither a token nor a robot changes them. */
const wholePeople: Rule = (actor, usual) => (isRobot(actor) || actor.rights.limit !== undefined ? 403 : usual)
/** Personal tokens are of people. */
const people: Rule = (actor, usual) => (isRobot(actor) ? 403 : usual)
/** The scene has nothing of the sort, for whoever gets that far. */
const noneOf =
  (rule: Rule): Rule =>
  (actor, usual) => {
    const verdict = rule(actor, usual)
    return verdict === 'allowed' ? 404 : verdict
  }
/** A token for one thing alone ends nothing of its owner's. */
const unscoped: Rule = ({ rights }, usual) => (rights.limit === undefined ? usual : 403)
/** What is not there is not there for anybody; who shows no credential learns not even that. */
const nothingThere: Rule = ({ rights }) => (rights.isAnonymous === true ? 401 : 404)
const anyone: Rule = (_actor, usual) => usual

/** By method and path. */
export const ownRules: Readonly<Record<string, Rule>> = {
  // No sign-in is under way in any of these calls.
  'POST /session/challenge': () => 401,
  'POST /session/factors/totp': wholePeople,
  'POST /session/factors/totp/confirmation': wholePeople,
  'POST /session/factors/webauthn': wholePeople,
  'POST /session/factors/webauthn/confirmation': wholePeople,
  'POST /session/factors/recovery-codes': wholePeople,
  'DELETE /session/factors/{factor}': wholePeople,
  'POST /session/identities': wholePeople,
  'DELETE /session/identities/{identity}': wholePeople,
  'DELETE /sessions/{session}': noneOf(unscoped),
  'DELETE /sessions': unscoped,
  'GET /session/account': unscoped,
  'PATCH /session/account': unscoped,
  'GET /session/oidc/{provider}': noneOf(anyone),
  'GET /session/oidc/{provider}/callback': noneOf(anyone),
  'GET /tokens': people,
  // A token with scopes is shown itself and what it made: others are not there.
  'GET /tokens/{token}': (actor, usual) => (!isRobot(actor) && actor.rights.limit !== undefined ? 404 : people(actor, usual)),
  'DELETE /tokens/{token}': wholePeople,
  // Who may what of the trash: test/api/trash.test.ts.
  'GET /trash/{trash}': nothingThere,
  'POST /trash/{trash}/restore': nothingThere,
  // Each for itself, and none is told from what is not there.
  'POST /trash/restore': anyone,
  'POST /trash/delete': (actor, usual) => (actor.rights.limit === undefined ? usual : 403),
  // A token must name the permission.
  'DELETE /trash/{trash}': (actor, usual) => (actor.rights.limit === undefined ? nothingThere(actor, usual) : 403),
}

/** All routes that ask for no permission, or show what may be seen. One that is not here has forgotten its demand. */
export const withoutPermission: readonly string[] = [
  'GET /session',
  'POST /session',
  'DELETE /session',
  'POST /session/second-factor',
  'POST /session/challenge',
  'POST /session/name',
  'POST /session/terminal',
  'POST /session/elevation',
  'POST /session/elevation/provider',
  'GET /sessions',
  'DELETE /sessions/{session}',
  'DELETE /sessions',
  'GET /session/factors',
  'POST /session/factors/totp',
  'POST /session/factors/totp/confirmation',
  'POST /session/factors/webauthn',
  'POST /session/factors/webauthn/confirmation',
  'POST /session/factors/recovery-codes',
  'DELETE /session/factors/{factor}',
  'GET /session/oidc/{provider}',
  'GET /session/oidc/{provider}/callback',
  'POST /session/oidc/{provider}/backchannel-logout',
  'GET /session/identities',
  'POST /session/identities',
  'DELETE /session/identities/{identity}',
  'PUT /session/password',
  'GET /session/account',
  'PATCH /session/account',
  'GET /roles',
  'GET /roles/{role}',
  'GET /permissions',
  'GET /repositories',
  'GET /search',
  'GET /live',
  'GET /uploads',
  'GET /trash',
  'GET /trash/{trash}',
  'POST /trash/{trash}/restore',
  'DELETE /trash/{trash}',
  'POST /trash/restore',
  'POST /trash/delete',
  'GET /projects',
  'POST /projects',
  'GET /labels',
  'GET /labels/{label}',
  'GET /system',
  'GET /tokens',
  'POST /tokens',
  'GET /tokens/{token}',
  'DELETE /tokens/{token}',
]
