/** What an end point of /v2 is: its verbs, the right that each needs, and what runs. One value per file of v2/. */
import type { Permission } from '#api/permissions.ts'
import type { Principal } from '#access/principal.ts'
import type { TargetedExchange } from './exchange.ts'
import type { Route } from './router.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export interface Operation<R extends Route> {
  /**
   * The right that is asked for on the repository of the route. `identity`: whoever shows a credential. `visible`: a list that holds what the caller may see.
   */
  readonly demand: Permission | 'identity' | 'visible' | ((route: R) => Permission)
  /** Whether the registry must be writable, and deletes switched on. */
  readonly kind: 'read' | 'write' | 'delete'
  /** Answers. What it throws is answered by `respondError`. */
  readonly run: (exchange: TargetedExchange, route: R, principal: Principal) => Promise<void> | void
  /** Answers for a repository that is not there, where that is no error. */
  readonly runAbsent?: (exchange: TargetedExchange, route: R) => Promise<void> | void
}

export interface Endpoint<R extends Route> {
  /** The name of the route in registry:2's metrics. */
  readonly name: string
  readonly operations: Readonly<Partial<Record<Method, Operation<R>>>>
}
