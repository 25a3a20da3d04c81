# SPDX-License-Identifier: Apache-2.0
# Completion of storescanctl(1) and storescan-stamp(1) in fish: the program itself says what may follow.

function __storescan_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l begun (commandline --current-token --cut-at-cursor)
    for line in ($words[1] --complete $words[2..-1] "$begun" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$begun"
        else
            echo $line
        end
    end
end

for program in storescanctl storescan-stamp
    complete --command $program --no-files --arguments '(__storescan_complete)'
end
