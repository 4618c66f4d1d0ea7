/** Short lists: a title, what is said below it, and what can be done at the end. */
import { Text } from '@mantine/core'
import type { ReactNode } from 'react'

interface RowProps {
  readonly title: ReactNode
  readonly text?: ReactNode
  readonly children?: ReactNode
}

export function Row({ title, text, children }: RowProps) {
  return (
    <li style={{ flexWrap: 'wrap' }}>
      <div style={{ minWidth: 0, flex: '1 1 220px' }}>
        <Text fw={500} component="div" className="wrap">
          {title}
        </Text>
        {text !== undefined && (
          <Text size="sm" c="dimmed" component="div" className="wrap">
            {text}
          </Text>
        )}
      </div>
      {children}
    </li>
  )
}

/** Instead of rows where there are none. */
export function None({ children }: { readonly children: ReactNode }) {
  return (
    <Text size="sm" c="dimmed" p={16}>
      {children}
    </Text>
  )
}

/** Names and what they are. What is undefined is left out. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

/** A dot in the colour of a label. */
export function ColorDot({ color }: { readonly color: string }) {
  return <span aria-hidden style={{ width: 9, height: 9, borderRadius: 5, display: 'inline-block', flex: 'none', background: color }} />
}
