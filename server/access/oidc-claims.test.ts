import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { OidcSettings } from '#api/provider-settings.ts'
import { fitsPattern, identityOfClaims, isInRequiredGroup, lacksClaims } from './oidc-claims.ts'

const settings: OidcSettings = {
  issuer: 'https://idp.example',
  clientId: 'berth',
  clientAuthentication: 'client_secret_basic',
  scopes: ['openid'],
  nameClaim: 'preferred_username',
  displayNameClaim: 'name',
  emailClaim: 'email',
  groupsClaim: 'groups',
  groupPatterns: [],
  adminGroups: [],
  requiredGroups: [],
  onNewName: 'create',
  userInfo: false,
  logout: true,
  signInIsProof: false,
  authorities: '',
}
const base = { iss: 'https://idp.example', sub: '1' }
const identity = (claims: object, set: Partial<OidcSettings> = {}) => identityOfClaims({ ...base, ...claims }, { ...settings, ...set })

test('groups come from a claim by name, by a name with dots, or by a path', () => {
  assert.deepEqual(identity({ groups: ['a', 'b'] }).groups, ['a', 'b'])
  assert.deepEqual(identity({ 'https://x.org/groups': ['a'] }, { groupsClaim: 'https://x.org/groups' }).groups, ['a'])
  assert.deepEqual(identity({ realm_access: { roles: ['a'] } }, { groupsClaim: 'realm_access.roles' }).groups, ['a'])
  assert.deepEqual(identity({ groups: 'single' }).groups, ['single'])
})

test('what is no list of names is no group', () => {
  for (const groups of [undefined, null, 1, {}, [1, {}, null, '', ['a']], { length: 1, 0: 'a' }])
    assert.deepEqual(identity({ groups }).groups, [])
  for (const groupsClaim of ['__proto__', 'constructor.name', 'toString', 'groups.length', ''])
    assert.deepEqual(identity({ groups: ['a'] }, { groupsClaim }).groups, [])
})

test('the administrator flag is said only where there is a group for it, whatever the patterns let through', () => {
  assert.equal(identity({ groups: ['admins'] }).isAdministrator, undefined)
  const set = { adminGroups: ['admins'], groupPatterns: ['team-*'] }
  assert.deepEqual([identity({ groups: ['admins'] }, set).isAdministrator, identity({ groups: ['admins'] }, set).groups], [true, []])
  assert.equal(identity({ groups: ['Admins', 'admins '] }, set).isAdministrator, false)
  assert.equal(identity({}, set).isAdministrator, false)
})

test('an address that is not verified is nobody’s', () => {
  assert.equal(identity({ email: 'a@b.c', email_verified: false }).email, '')
  assert.equal(identity({ email: 'a@b.c' }).email, 'a@b.c')
})

test('required groups are looked for in all groups', () => {
  const required = { ...settings, requiredGroups: ['staff'], groupPatterns: ['team-*'] }
  assert.equal(isInRequiredGroup({ groups: ['staff'] }, required), true)
  assert.equal(isInRequiredGroup({ groups: ['stuff'] }, required), false)
  assert.equal(isInRequiredGroup({}, settings), true)
})

test('userinfo is asked for what is missing alone', () => {
  const all = { preferred_username: 'a', name: 'b', email: 'c', groups: [] }
  assert.equal(lacksClaims(all, settings), false)
  assert.equal(lacksClaims({ ...all, email: undefined }, settings), true)
  assert.equal(lacksClaims({ preferred_username: 'a' }, { ...settings, groupsClaim: '', displayNameClaim: '', emailClaim: '' }), false)
})

test('a star stands for any characters, and all else for itself', () => {
  for (const [text, pattern, fits] of [
    ['', '', true],
    ['', '*', true],
    ['a', '', false],
    ['team-a', 'team-*', true],
    ['team-', 'team-*', true],
    ['xteam-a', 'team-*', false],
    ['a.b', 'a.b', true],
    ['axb', 'a.b', false],
    ['abcabc', '*abc', true],
    ['abcab', '*abc', false],
    ['a*b', 'a*b', true],
    ['mississippi', 'm*iss*ip*i', true],
    ['mississippi', 'm*iss*x*', false],
  ] as const)
    assert.equal(fitsPattern(text, pattern), fits, `${text} ${pattern}`)
})

test('patterns mean what the regular expression of them does', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 12 })
  fc.assert(
    fc.property(word, word, (text, pattern) => {
      assert.equal(fitsPattern(text, pattern), new RegExp(`^${pattern.replaceAll(/\*+/g, '.*')}$`).test(text))
    }),
    { numRuns: 3_000 },
  )
})

test('a pattern that would stall a regular expression takes no time', () => {
  const started = performance.now()
  for (let count = 0; count < 100; count++) fitsPattern('a'.repeat(512), `${'*a'.repeat(200)}b`)
  assert.ok(performance.now() - started < 2_000)
})
