import { Drawer } from '@mantine/core'
import { useWords } from '../../parts/use-words.ts'
import { RobotDetails, type DetailsProps } from './robot-details.tsx'

interface DrawerProps extends Omit<DetailsProps, 'robot'> {
  readonly robot: DetailsProps['robot'] | undefined
  readonly close: () => void
}

/** A robot opened beside the list that it is in. */
export function RobotDrawer({ robot, close, ...rest }: DrawerProps) {
  const { t } = useWords()
  return (
    <Drawer
      opened={robot !== undefined}
      onClose={close}
      position="right"
      size="min(620px, 100vw)"
      title={t('manage:robots.one')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {robot !== undefined && <RobotDetails key={robot.id} robot={robot} {...rest} />}
    </Drawer>
  )
}
