import { Button, Group, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useTranslation } from 'react-i18next'
import { notify } from '../../parts/notify.ts'
import { formatNumber } from '../../parts/sizes.ts'
import { deleteTags, restoreTags } from './delete-tags.ts'

/** Deletes at once and offers the way back: nobody is asked whether they are sure. */
export async function removeTags(repository: string, names: readonly string[], mayRestore: boolean): Promise<void> {
  const { deleted, failures } = await deleteTags(repository, names)
  const id = `deleted-${repository}-${names[0] ?? ''}-${names.length}`
  const undo = () => {
    notifications.hide(id)
    void restoreTags(repository, deleted)
  }
  notify({
    id,
    color: failures.length > 0 ? 'red' : 'tide',
    autoClose: 15_000,
    message: <Outcome deleted={deleted} failures={failures} undo={deleted.length > 0 && mayRestore ? undo : undefined} />,
  })
}

interface OutcomeProps {
  readonly deleted: readonly string[]
  readonly failures: readonly string[]
  readonly undo: (() => void) | undefined
}

function Outcome({ deleted, failures, undo }: OutcomeProps) {
  const { t } = useTranslation()
  return (
    <Group justify="space-between" gap="sm">
      <div>
        <Text size="sm">
          {deleted.length === 1
            ? t('tags.deletedOne', { name: deleted[0] ?? '' })
            : t('tags.deleted', { count: deleted.length, shown: formatNumber(deleted.length) })}
        </Text>
        {failures.slice(0, 3).map((failure) => (
          <Text key={failure} size="xs" className="wrap">
            {failure}
          </Text>
        ))}
      </div>
      {undo !== undefined && (
        <Button size="compact-sm" variant="default" onClick={undo}>
          {t('common.undo')}
        </Button>
      )}
    </Group>
  )
}
