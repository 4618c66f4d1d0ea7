/** What an ID token says of a person, in our words. Pure. */
import type { OidcSettings } from '#api/provider-settings.ts'
import type { ExternalIdentity } from './password-provider.ts'

type Claims = Readonly<Record<string, unknown>>

/** The identity of verified claims. A missing or odd claim is an empty value: the subject alone identifies. */
export function identityOfClaims(
  claims: Claims & { readonly iss: string; readonly sub: string },
  settings: OidcSettings,
): ExternalIdentity {
  const all = groupsOfClaims(claims, settings.groupsClaim)
  const { adminGroups, groupPatterns } = settings
  return {
    issuer: claims.iss,
    subject: claims.sub,
    name: textClaim(claims, settings.nameClaim),
    displayName: textClaim(claims, settings.displayNameClaim),
    // An address that the provider has not checked may be anybody's; nothing rests on it, but people read it.
    email: claims['email_verified'] === false ? '' : textClaim(claims, settings.emailClaim),
    groups: groupPatterns.length === 0 ? all : all.filter((group) => groupPatterns.some((pattern) => fitsPattern(group, pattern))),
    isAdministrator: adminGroups.length === 0 ? undefined : all.some((group) => adminGroups.includes(group)),
    attributes: {},
  }
}

/** Whether somebody with these claims is let in at all. */
export function isInRequiredGroup(claims: Claims, { groupsClaim, requiredGroups }: OidcSettings): boolean {
  return requiredGroups.length === 0 || groupsOfClaims(claims, groupsClaim).some((group) => requiredGroups.includes(group))
}

/** Claims that an account's fields come from and that are not there; userinfo may have them. */
export function lacksClaims(claims: Claims, { nameClaim, displayNameClaim, emailClaim, groupsClaim }: OidcSettings): boolean {
  return [nameClaim, displayNameClaim, emailClaim, groupsClaim].some((path) => path !== '' && claimAt(claims, path) === undefined)
}

/** A claim by its very name (which may have dots: `https://example.org/groups`), else by the path (`realm_access.roles`). */
function claimAt(claims: Claims, path: string): unknown {
  if (path === '') return undefined
  if (Object.hasOwn(claims, path)) return claims[path]
  let value: unknown = claims
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Claims)[step]
  }
  return value
}

function textClaim(claims: Claims, path: string): string {
  const value = claimAt(claims, path)
  return typeof value === 'string' ? value : ''
}

function groupsOfClaims(claims: Claims, path: string): readonly string[] {
  const value = claimAt(claims, path)
  const values: readonly unknown[] = Array.isArray(value) ? value : [value]
  return values.filter((each): each is string => typeof each === 'string' && each !== '')
}

/** `*` stands for any characters, all else for itself. Each star is tried from its place on only: never worse than length times length. */
export function fitsPattern(text: string, pattern: string): boolean {
  let [at, next, star, mark] = [0, 0, -1, 0]
  while (at < text.length) {
    if (pattern[next] === '*') {
      ;[star, mark] = [next, at]
      next++
    } else if (pattern[next] === text[at]) {
      at++
      next++
    } else if (star >= 0) {
      mark++
      ;[at, next] = [mark, star + 1]
    } else return false
  }
  while (pattern[next] === '*') next++
  return next === pattern.length
}
