/** The parts that every page is made of: its head, its empty state, its panels and the shapes that stand in while it loads. */
import { Group, Skeleton, Stack, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import type { ReactNode } from 'react'

interface HeadProps {
  readonly title: string
  /** Instead of the title where it is more than text. */
  readonly shown?: ReactNode
  readonly description?: ReactNode
  readonly actions?: ReactNode
}

export function PageHead({ title, shown, description, actions }: HeadProps) {
  useDocumentTitle(`${title} · Berth`)
  return (
    <Group justify="space-between" align="flex-start" gap="md" mb={22} wrap="wrap">
      <div style={{ minWidth: 0, flex: '1 1 260px' }}>
        <Title order={1} className="wrap">
          {shown ?? title}
        </Title>
        {description !== undefined && (
          <Text component="div" size="md" c="dimmed" mt={4} className="wrap" maw={720}>
            {description}
          </Text>
        )}
      </div>
      {actions !== undefined && <Group gap="xs">{actions}</Group>}
    </Group>
  )
}

/** What to do next where there is nothing yet. */
export function Empty({
  icon,
  title,
  children,
  action,
}: {
  readonly icon: ReactNode
  readonly title: string
  readonly children?: ReactNode
  readonly action?: ReactNode
}) {
  return (
    <div className="panel" style={{ padding: '40px 20px' }}>
      <Stack align="center" gap={10} maw={620} mx="auto">
        <div style={{ color: 'var(--mantine-color-dimmed)', display: 'flex' }} aria-hidden>
          {icon}
        </div>
        <Title order={2} ta="center">
          {title}
        </Title>
        {children !== undefined && (
          <Text component="div" size="md" c="dimmed" ta="center" w="100%">
            {children}
          </Text>
        )}
        {action}
      </Stack>
    </div>
  )
}

interface PanelProps {
  readonly title?: string
  readonly actions?: ReactNode
  readonly children: ReactNode
  readonly isFlush?: boolean
}

export function Panel({ title, actions, children, isFlush = false }: PanelProps) {
  return (
    <section className="panel" aria-label={title}>
      {title !== undefined && (
        <Group justify="space-between" px={16} py={10} gap="sm" style={{ borderBottom: '1px solid var(--line)', minHeight: 45 }}>
          <Title order={2} fz="0.875rem">
            {title}
          </Title>
          {actions}
        </Group>
      )}
      <div style={isFlush ? {} : { padding: 16 }}>{children}</div>
    </section>
  )
}

/** Rows to come. */
export function Waiting({ rows = 5 }: { readonly rows?: number }) {
  return (
    <Stack gap={10} aria-busy p={16} className="panel">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={22} width={`${92 - ((row * 17) % 40)}%`} />
      ))}
    </Stack>
  )
}

/** A number with its name. */
export function Figure({ name, children, hint }: { readonly name: string; readonly children: ReactNode; readonly hint?: ReactNode }) {
  return (
    <div className="panel" style={{ padding: '12px 16px', minWidth: 0 }}>
      <Text size="xs" c="dimmed">
        {name}
      </Text>
      <Text fz="1.25rem" fw={600} lh={1.4} className="number cut" component="div" style={{ letterSpacing: '-0.01em' }}>
        {children}
      </Text>
      {hint !== undefined && (
        <Text size="xs" c="dimmed" component="div">
          {hint}
        </Text>
      )}
    </div>
  )
}
