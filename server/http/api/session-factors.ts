/** Second factors: access/second-factors.ts over HTTP. */
import { requireAdministrator } from '#access/acting.ts'
import * as factors from '#access/second-factors.ts'
import type { ResponseOf } from '#api/contract.ts'
import * as contract from '#api/routes/session.ts'
import { readUser } from '#access/users.ts'
import { instantOf, instantOrNull } from './page-body.ts'
import { serve, type ServedRoute } from './serve-route.ts'
import { partyOf, requireOrigin, requirePerson } from './session-person.ts'

function present({ factors: rows, codesLeft }: Awaited<ReturnType<typeof factors.listFactors>>): ResponseOf<typeof contract.listFactors> {
  return {
    items: rows.flatMap(({ id, kind, name, createdAt, lastUsedAt }) =>
      kind === 'recovery' ? [] : [{ id, kind, name, createdAt: instantOf(createdAt), lastUsedAt: instantOrNull(lastUsedAt ?? null) }],
    ),
    recoveryCodesLeft: codesLeft,
  }
}

function presentEnrolled({ id, recoveryCodes }: factors.EnrolledFactor): ResponseOf<typeof contract.confirmTotp> {
  return recoveryCodes === undefined ? { id } : { id, recoveryCodes: [...recoveryCodes] }
}

/** Served by the app. */
export const factorRoutes: readonly ServedRoute[] = [
  serve(contract.listFactors, async ({ parts, principal }) => {
    const { kind, id } = principal
    const found = kind === 'user' && id !== undefined ? await factors.listFactors(parts.directory, id) : { factors: [], codesLeft: 0 }
    return { body: present(found) }
  }),
  serve(contract.startTotp, async ({ parts, exchange, principal }) => {
    const person = await requirePerson(exchange, principal)
    return { body: await factors.startTotp(parts.directory, person, new URL(requireOrigin(exchange)).host) }
  }),
  serve(contract.confirmTotp, async ({ parts, exchange, principal, body, who }) => {
    const person = await requirePerson(exchange, principal)
    return { body: presentEnrolled(await factors.confirmTotp(parts.directory, person, body, who)) }
  }),
  serve(contract.startWebAuthn, async ({ parts, exchange, principal }) => {
    const person = await requirePerson(exchange, principal)
    return { body: await factors.startWebAuthn(parts.directory, person, partyOf(exchange)) }
  }),
  serve(contract.confirmWebAuthn, async ({ parts, exchange, principal, body, who }) => {
    const person = await requirePerson(exchange, principal)
    const answer = { response: body.response, name: body.name, party: partyOf(exchange) }
    return { body: presentEnrolled(await factors.confirmWebAuthn(parts.directory, person, answer, who)) }
  }),
  serve(contract.renewRecoveryCodes, async ({ parts, exchange, principal, who }) => {
    const person = await requirePerson(exchange, principal)
    return { body: { recoveryCodes: [...(await factors.renewRecoveryCodes(parts.directory, person, who))] } }
  }),
  serve(contract.removeFactor, async ({ parts, exchange, principal, params, who }) => {
    const { userId, name } = await requirePerson(exchange, principal)
    await factors.removeFactors(parts.directory, { userId, account: name, id: params.factor }, who)
  }),
  serve(contract.listFactorsOfUser, async ({ parts, params }) => {
    const { id } = await readUser(parts.directory, params.user)
    return { body: present(await factors.listFactors(parts.directory, id)) }
  }),
  serve(contract.removeFactorsOfUser, async ({ parts, principal, params, who }) => {
    const { id, name, isAdmin } = await readUser(parts.directory, params.user)
    if (isAdmin) requireAdministrator(principal.rights, 'remove second factors of administrators')
    await factors.removeFactors(parts.directory, { userId: id, account: name }, who)
  }),
]
