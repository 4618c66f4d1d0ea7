/** For how long a secret is good, in days. */
export const lifetimes = ['7', '30', '90', '365', 'never'] as const
export type Lifetime = (typeof lifetimes)[number]

/** RFC 3339, or null for never. */
export function endAfter(lifetime: Lifetime): string | null {
  return lifetime === 'never' ? null : new Date(Date.now() + Number(lifetime) * 86_400_000).toISOString()
}
